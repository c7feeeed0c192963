"""Which methods of a study are held against each other at equal attack strength, and the curves."""

from collections.abc import Sequence
from typing import Any

from pptp_jax.attacks import attack_of
from pptp_jax.data import Membership
from pptp_jax.evaluation import STATISTICS, Curve, Measure, Point, matched_utility, point
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.evaluation.method import CONTROL, method, method_name
from pptp_jax.fleets import StoredFleet
from pptp_jax.metrics import Bootstrap
from pptp_jax.study.config import Study
from pptp_jax.training import Recipe

Trained = tuple[Recipe, StoredFleet]


def curves(study: Study, trained: Sequence[Trained], membership: Membership) -> list[Curve]:
    """A curve for each method: a point for each strength, and each stop on the way.

    Args:
        study: the study, whose `compared` attack gives the strength.
        trained: each recipe with its fleets by the epochs behind them.
        membership: who is a member of what.
    """
    points: dict[str, list[Point]] = {}
    compared, models = attack_of(study.compared, study.attacks), len(membership.targets)
    for recipe, by_epochs in trained:
        *_, end = by_epochs
        for epochs, fleet in by_epochs.items():
            seen = attacked(fleet, membership, (compared,), declared=study.model.task.signals)
            if study.compared not in seen.scores or not len(seen.targets):
                continue
            stopped = "" if epochs == end else f", stopped after {epochs}"
            strength = "" if recipe.strength is None else f" {recipe.strength:g}"
            found = point(
                seen.scores[study.compared],
                seen.membership,
                seen.utility,
                label=f"{recipe.name} {recipe.epochs}{strength}{stopped}",
                targets=seen.targets - membership.targets[0],
                resampling=Bootstrap(models, seen.utility.shape[1], study.resamples, study.seed),
            )
            points.setdefault(method(recipe), []).append(found)
    measure = Measure.of(study.model.task)
    return [Curve(name, tuple(own), measure) for name, own in points.items()]


def pairs(study: Study, drawn: Sequence[Curve]) -> list[tuple[Curve, Curve]]:
    """Every method with early stopping, and what protects a region with its like that does not.

    Its like is the same recipe without a region, the defence on the whole network, and the defence
    that starts late.
    """
    by_name = {curve.name: curve for curve in drawn}
    found = []
    for recipe in study.recipes:
        likes = () if recipe.region is None else (recipe.name, "whole network", "switch")
        others = [*(method_name(like, None, recipe.defence) for like in likes), CONTROL]
        found += [(method(recipe), other) for other in others]
    known = [(a, b) for a, b in dict.fromkeys(found) if a != b and {a, b} <= set(by_name)]
    return [(by_name[a], by_name[b]) for a, b in known]


def comparisons(study: Study, drawn: Sequence[Curve]) -> list[dict[str, Any]]:
    """What is found of every pair, at equal AUC and at equal TPR at 0.1 % FPR."""
    attack = study.compared.replace("_", " ")
    return [
        matched_utility(a, b, statistic=statistic, attack=attack).to_json()
        for statistic in STATISTICS
        for a, b in pairs(study, drawn)
        if all(statistic in own.strength for curve in (a, b) for own in curve.points)
    ]
