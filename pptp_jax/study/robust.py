"""How right finished models stay on disturbed inputs: measured on examples they have not seen."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from pptp_jax.data import Arrays, Membership
from pptp_jax.metrics import UNRESOLVED, mean_over
from pptp_jax.models import Variables
from pptp_jax.robustness import Trial, right_when_disturbed
from pptp_jax.study.config import Study
from pptp_jax.study.kept import Fleet

Pairs = Float[np.ndarray, "targets examples"]


def asked(study: Study, membership: Membership) -> Int[np.ndarray, "models rows"]:
    """The non-members that each model is looked at with; the same for all recipes.

    As many of each model, and in an order that all of them share, so that models that have not seen
    the same examples are looked at with the same.
    """
    assert study.robustness is not None
    order = np.random.default_rng(study.seed).permutation(membership.evaluated)
    unseen = [order[~own[order]] for own in membership.matrix]
    count = min(study.robustness.examples, *map(len, unseen))
    return np.stack([np.sort(own[:count]) for own in unseen]).astype(np.int32)


def robust(
    study: Study,
    arrays: Arrays,
    membership: Membership,
    models: tuple[int, ...],
    fleet: Variables,
) -> Float[np.ndarray, "models trials rows"]:
    """How often some models of a fleet are right, by trial and example; 0 for mere shadows.

    Args:
        study: the study.
        arrays: the examples, on the device.
        membership: who is a member of what.
        models: which ones they are.
        fleet: their variables, stacked.
    """
    assert study.robustness is not None
    rows = asked(study, membership)
    places = [place for place, model in enumerate(models) if model in membership.targets]
    found = np.zeros((len(models), len(study.robustness.trials), rows.shape[1]), np.float32)
    if places:
        found[places] = right_when_disturbed(
            study.model,
            jax.tree.map(lambda leaf: leaf[jnp.array(places)], fleet),
            arrays,
            jnp.asarray(rows[[models[place] for place in places]]),
            jax.random.key(study.seed),
            study.robustness,
        )
    return found


def robustness(study: Study, fleet: Fleet, membership: Membership) -> dict[str, Any]:
    """What the table says of a recipe's robustness; empty if nobody asked.

    Returns:
        `examples`, how many of each target; `trials`, each as a `Trial` with its `accuracy` over
        targets and non-members, among them of kind `worst` the share that is right under all
        attacks of a ball; and `warnings`, where a stronger attack does less than a weaker one. Then
        gradients mislead the attacks, and what they find bounds the robust accuracy from above
        alone.
    """
    if study.robustness is None or fleet.robust is None:
        return {}
    rows = asked(study, membership)
    targets = [model for model in membership.targets if fleet.finite[model]]
    chosen = np.zeros((len(targets), fleet.correct.shape[1]), bool)
    np.put_along_axis(chosen, rows[targets], True, axis=1)

    def spread(of_trial: Float[np.ndarray, "models rows"]) -> Pairs:
        found = np.zeros(chosen.shape, np.float32)
        np.put_along_axis(found, rows[targets], of_trial[targets], axis=1)
        return found

    pairs = {trial: spread(fleet.robust[:, i]) for i, trial in enumerate(study.robustness.trials)}
    found, warnings = [], []
    for trial, right in pairs.items():
        found.append({**vars(trial), "accuracy": _mean(study, right, chosen)})
        same = {t: own for t, own in pairs.items() if (t.norm, t.size) == (trial.norm, trial.size)}
        if trial.kind == "pgd" and trial is [*same][-1]:
            worst = np.minimum.reduce([*same.values()])
            accuracy = _mean(study, worst, chosen)
            found.append({**vars(trial), "kind": "worst", "steps": None, "accuracy": accuracy})
            warnings += _misled(study, same, chosen)
    return {"examples": rows.shape[1], "trials": found, "warnings": warnings}


def _misled(
    study: Study, same: dict[Trial, Pairs], chosen: Bool[np.ndarray, "targets examples"]
) -> list[str]:
    """Where an attack leaves more labels right than a weaker one, by an interval above zero."""
    told = []
    by_strength = sorted(same, key=lambda trial: trial.steps or 0)
    for weak, strong in pairwise(by_strength):
        more = _mean(study, same[strong] - same[weak], chosen)
        if more["low"] is not None and more["low"] > 0:
            points = 100 * more["value"]
            told.append(
                f"{_words(strong)} leaves {points:.1f} % of all labels more right than "
                f"{_words(weak)}: gradients mislead the attacks here, so that the network is less "
                "robust than they make it look"
            )
    return told


def _words(trial: Trial) -> str:
    if trial.steps is None:
        return "FGSM"
    return f"PGD with {trial.steps} steps at {trial.size:.3g} in {trial.norm}"


def _mean(study: Study, of: Pairs, chosen: Bool[np.ndarray, "targets examples"]) -> dict[str, Any]:
    if not chosen.size:
        return UNRESOLVED._asdict()
    return mean_over(of, chosen, resamples=study.resamples, seed=study.seed)._asdict()
