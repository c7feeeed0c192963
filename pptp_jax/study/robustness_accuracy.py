"""The accuracy of finished models on perturbed non-members."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.data import Membership
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics import UNRESOLVED, masked_mean
from pptp_jax.models import Variables
from pptp_jax.robustness import input_geometry, masking_warnings, right_when_disturbed
from pptp_jax.signals import SignalRequest
from pptp_jax.tasks import Signal
from pptp_jax.training import surrogates

if TYPE_CHECKING:
    from pptp_jax.study.config import Study

Pairs = Float[np.ndarray, "targets examples"]


def disturbed_rows(study: "Study", membership: Membership) -> Int[np.ndarray, "models rows"]:
    """The non-members that each model's robustness is measured on; the same for all recipes.

    Every model has the same number of them, and one order for all models decides, so that models
    with the same non-members are measured on the same examples.
    """
    assert study.robustness is not None
    order = np.random.default_rng(study.seed).permutation(membership.evaluated)
    unseen = [order[~own[order]] for own in membership.matrix]
    count = min(study.robustness.examples, *map(len, unseen))
    return np.stack([np.sort(own[:count]) for own in unseen]).astype(np.int32)


def robust_signal(study: "Study", membership: Membership) -> Signal:
    """The share of right answers of each target, by trial and example; 0 for mere shadows.

    `disturbed_rows` chooses the examples, for each model by itself.

    Args:
        study: the study.
        membership: who is a member of what.
    """
    assert study.robustness is not None
    settings, rows = study.robustness, disturbed_rows(study, membership)

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
            _surrogates(study, those),
        )
        return jnp.zeros(shape).at[there].set(right)

    return Signal(
        name="robust",
        axes=("models", "trials", "examples"),
        access="white-box",
        take=take,
        settings=settings.record,
    )


def geometry_signal(study: "Study", membership: Membership) -> Signal:
    """Distances to the decision boundary and curvatures, of the pairs that `robust_signal` has.

    Args:
        study: the study.
        membership: who is a member of what.
    """
    assert study.robustness is not None
    count, rows = study.robustness.eigenvalues, disturbed_rows(study, membership)

    def take(those: SignalRequest) -> Float[Array, "models trials examples"]:
        linear, found, curvature = input_geometry(
            those.model,
            those.fleet,
            those.data,
            jnp.asarray(rows[list(those.numbers)]),
            those.key,
            eigenvalues=count,
        )
        return jnp.concatenate([linear[:, None], found[:, None], curvature], axis=1)

    return Signal(
        name="input_geometry",
        axes=("models", "trials", "examples"),
        access="white-box",
        take=take,
        settings={"eigenvalues": count, "examples": rows.shape[1]},
    )


def _surrogates(study: "Study", those: SignalRequest) -> Variables | None:
    """The networks that transferred inputs are found on; None if the study has none."""
    assert study.robustness is not None
    if not study.robustness.surrogates:
        return None
    return surrogates(
        those.model,
        those.data,
        those.key,
        models=study.robustness.surrogates,
        epochs=study.robustness.surrogate_epochs,
        optimizer=study.optimizer,
        batch_size=study.batch_size,
    )


def robustness(study: "Study", fleet: FleetSignals, membership: Membership) -> dict[str, Any]:
    """A recipe's robustness for the table; empty if the study does not measure it.

    Returns:
        `examples`, how many of each target; `trials`, each as a `Trial` with its `accuracy` over
        targets and non-members, among them of kind `worst` the share that is right under all
        attacks of a ball; `measures` of the pairs whose label is right, by name: the distances to
        the decision boundary and the curvatures; and `warnings` of `masking_warnings`.
    """
    if study.robustness is None or "robust" not in fleet:
        return {}
    rows = disturbed_rows(study, membership)
    targets = [model for model in membership.targets if fleet.finite[model]]
    chosen = np.zeros((len(targets), fleet.utility.shape[1]), bool)
    np.put_along_axis(chosen, rows[targets], True, axis=1)

    def spread(of_trial: Float[np.ndarray, "models rows"]) -> Pairs:
        found = np.zeros(chosen.shape, np.float32)
        np.put_along_axis(found, rows[targets], of_trial[targets], axis=1)
        return found

    robust = fleet["robust"]
    pairs = {trial: spread(robust[:, i]) for i, trial in enumerate(study.robustness.trials)}
    found = []
    for trial, right in pairs.items():
        found.append({**vars(trial), "accuracy": _mean(study, right, chosen)})
        same = {t: own for t, own in pairs.items() if (t.norm, t.size) == (trial.norm, trial.size)}
        if trial.kind == "pgd" and trial is [*same][-1]:
            worst = np.minimum.reduce([*same.values()])
            accuracy = _mean(study, worst, chosen)
            found.append({**vars(trial), "kind": "worst", "steps": None, "accuracy": accuracy})
    measures, distances = [], {}
    if "input_geometry" in fleet:
        around = fleet["input_geometry"]
        of = [spread(around[:, i]) for i in range(around.shape[1])]
        names = ["linear_distance", "distance", *(f"curvature_{i + 1}" for i in range(len(of) - 2))]
        known = chosen & (of[0] > 0) & np.isfinite(of[1])
        for name, own in zip(names, of, strict=True):
            measures.append({"name": name, "mean": _mean(study, np.where(known, own, 0), known)})
        distances = {"a search by gradients": of[1]}
    draws = {"resamples": study.resamples, "seed": study.seed}
    warnings = masking_warnings(pairs, chosen, distances, **draws) if chosen.size else []
    of_all = {"examples": rows.shape[1], "trials": found, "warnings": warnings}
    return {**of_all, "measures": measures} if measures else of_all


def _mean(
    study: "Study", of: Pairs, chosen: Bool[np.ndarray, "targets examples"]
) -> dict[str, Any]:
    if not chosen.size:
        return UNRESOLVED._asdict()
    return masked_mean(of, chosen, resamples=study.resamples, seed=study.seed)._asdict()
