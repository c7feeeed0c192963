"""Sentences on the result of a search."""

from collections.abc import Mapping
from typing import Any

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.measure import Measure
from pptp_jax.evaluation.schema import typed
from pptp_jax.study.search import Frontier, LargestMargin, MostUtility


def sentence(found: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Sentences on the choice: its metrics on the fresh fleet and in the search, and its ε.

    Args:
        found: an entry of `chosen` in the results.
        manifest: what is known of the search.
    """
    found = typed(found)
    attack = attack_name(manifest["compared"])
    measure = Measure(manifest["utility_name"], manifest["higher_is_better"])
    if found["auc"] is None:
        return f"Trial {found['trial']}, {found['recipe']}, diverged on the fresh fleet."
    said = [
        f"Trial {found['trial']}, {found['recipe']}: on a fresh fleet {measure.name} "
        f"{found['utility']['fresh']:.3f} and {attack} AUC {found['auc']['fresh']:.3f}."
    ]
    if found["margin"] is not None:
        margin = measure.amount(found["margin"]["fresh"])
        said.append(f"Margin over the study's recipes at equal AUC: {margin}.")
    costs = [f"{measure.amount(found['utility']['cost'])} of {measure.name}"]
    costs.append(f"{found['auc']['cost']:.3f} of AUC")
    if found["margin"] is not None:
        costs.append(f"{measure.amount(found['margin']['cost'])} of the margin")
    said.append(f"Selection cost, tuning better than fresh: {', '.join(costs)}.")
    if found["epsilon"] is not None:
        own, selected = found["epsilon"], found["private_selection"]
        said.append(
            f"One training has ε = {own['epsilon']:.3g} at δ = {own['delta']:.3g}. No ε covers "
            "this choice: it looked at an attack, which knows the members. The best of as many "
            "private trainings on average, scored without members, would have "
            f"ε = {selected['epsilon']:.3g}, provided that no other setting has a larger one."
        )
    return " ".join(said)


def no_choice(objective: MostUtility | LargestMargin | Frontier) -> str:
    """Why no trial was chosen.

    Examples:
        >>> no_choice(MostUtility(most_auc=0.52))
        'No trial keeps the AUC at 0.52 or below: widen the space towards stronger protection.'
    """
    if isinstance(objective, MostUtility):
        return (
            f"No trial keeps the AUC at {objective.most_auc:g} or below: widen the space towards "
            "stronger protection."
        )
    if isinstance(objective, LargestMargin):
        return "No trial leaks as much as the study's recipes do at least: widen their strengths."
    return "Every trial diverged."
