"""How right finished models stay on disturbed inputs: measured on examples they have not seen."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.data import Membership
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics import UNRESOLVED, masked_mean
from pptp_jax.robustness import Trial, right_when_disturbed
from pptp_jax.signals import SignalRequest
from pptp_jax.storage.record import describe
from pptp_jax.tasks import Signal

if TYPE_CHECKING:
    from pptp_jax.study.config import Study

Pairs = Float[np.ndarray, "targets examples"]


def asked(study: "Study", membership: Membership) -> Int[np.ndarray, "models rows"]:
    """The non-members that each model is looked at with; the same for all recipes.

    As many of each model, and in an order that all of them share, so that models that have not seen
    the same examples are looked at with the same.
    """
    assert study.robustness is not None
    order = np.random.default_rng(study.seed).permutation(membership.evaluated)
    unseen = [order[~own[order]] for own in membership.matrix]
    count = min(study.robustness.examples, *map(len, unseen))
    return np.stack([np.sort(own[:count]) for own in unseen]).astype(np.int32)


def robust_signal(study: "Study", membership: Membership) -> Signal:
    """How often each target is right, by trial and example; 0 for mere shadows.

    Its examples are those that `asked` names, other ones for each model.

    Args:
        study: the study.
        membership: who is a member of what.
    """
    assert study.robustness is not None
    settings, rows = study.robustness, asked(study, membership)

    def take(those: SignalRequest) -> Float[Array, "models trials examples"]:
        shape = len(those.numbers), len(settings.trials), rows.shape[1]
        places = [i for i, model in enumerate(those.numbers) if model in membership.targets]
        if not places:
            return jnp.zeros(shape)
        there = jnp.array(places)
        right = right_when_disturbed(
            those.model,
            jax.tree.map(lambda leaf: leaf[there], those.fleet),
            those.data,
            jnp.asarray(rows[[those.numbers[place] for place in places]]),
            those.key,
            settings,
        )
        return jnp.zeros(shape).at[there].set(right)

    return Signal(
        name="robust",
        axes=("models", "trials", "examples"),
        access="white-box",
        take=take,
        settings=describe(settings),
    )


def robustness(study: "Study", fleet: FleetSignals, membership: Membership) -> dict[str, Any]:
    """What the table says of a recipe's robustness; empty if nobody asked.

    Returns:
        `examples`, how many of each target; `trials`, each as a `Trial` with its `accuracy` over
        targets and non-members, among them of kind `worst` the share that is right under all
        attacks of a ball; and `warnings`, where a stronger attack does less than a weaker one. Then
        gradients mislead the attacks, and what they find bounds the robust accuracy from above
        alone.
    """
    if study.robustness is None or "robust" not in fleet:
        return {}
    rows = asked(study, membership)
    targets = [model for model in membership.targets if fleet.finite[model]]
    chosen = np.zeros((len(targets), fleet.utility.shape[1]), bool)
    np.put_along_axis(chosen, rows[targets], True, axis=1)

    def spread(of_trial: Float[np.ndarray, "models rows"]) -> Pairs:
        found = np.zeros(chosen.shape, np.float32)
        np.put_along_axis(found, rows[targets], of_trial[targets], axis=1)
        return found

    robust = fleet["robust"]
    pairs = {trial: spread(robust[:, i]) for i, trial in enumerate(study.robustness.trials)}
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
    study: "Study", same: dict[Trial, Pairs], chosen: Bool[np.ndarray, "targets examples"]
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


def _mean(
    study: "Study", of: Pairs, chosen: Bool[np.ndarray, "targets examples"]
) -> dict[str, Any]:
    if not chosen.size:
        return UNRESOLVED._asdict()
    return masked_mean(of, chosen, resamples=study.resamples, seed=study.seed)._asdict()
