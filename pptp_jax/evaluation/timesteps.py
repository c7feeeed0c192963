"""Attacks on a denoiser at each timestep separately."""

from collections.abc import Sequence
from typing import Any

from pptp_jax.attacks import Attack, attack_of
from pptp_jax.data import Membership
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics import attack_metrics
from pptp_jax.tasks import Denoising
from pptp_jax.validation import Refused


def by_timestep(
    fleet: FleetSignals,
    membership: Membership,
    task: Denoising,
    attacks: Sequence[str | Attack] = ("loss", "lira_online", "rmia_online"),
    *,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, list[dict[str, Any]]]:
    """The area under the ROC curve of each attack at each of the task's timesteps.

    Args:
        fleet: with the signals `confidence` and `log_prob` of denoisers, of one query.
        membership: who is a member of what.
        task: that of the models.
        attacks: attacks that read these signals.
        resamples: the number of bootstrap resamples.
        seed: what the bootstrap depends on.

    Returns:
        By the attack's name, one record a timestep: `timestep`, and `auc` with its interval. An
        attack that cannot be made is left out.

    Raises:
        ValueError: if there is not one row of signals a timestep.

    Examples:
        >>> import numpy as np
        >>> from pptp_jax.data import Balanced
        >>> made = {"confidence": np.ones((2, 1, 8)), "log_prob": np.ones((2, 1, 8))}
        >>> made |= {"finite": np.ones(2, bool), "utility": np.ones((2, 8))}
        >>> task, drawn = Denoising(timesteps=(5,)), Balanced(models=2).draw(8, seed=0)
        >>> by_timestep(FleetSignals(made), drawn, task, ("loss",))["loss"][0]["timestep"]
        5
    """
    rows = fleet["confidence"].shape[1]
    if rows != len(task.evaluated):
        raise Refused(
            f"confidence has {rows} rows, and the task evaluates {len(task.evaluated)} timesteps"
        )
    found: dict[str, list[dict[str, Any]]] = {}
    for place, timestep in enumerate(task.evaluated):
        own = {name: fleet[name][:, place : place + 1] for name in ("confidence", "log_prob")}
        shown = FleetSignals({"finite": fleet.finite, "utility": fleet.utility, **own})
        seen = attacked(shown, membership, [attack_of(a) for a in attacks], declared=task.signals)
        for name, scores in seen.scores.items():
            auc = attack_metrics(scores, seen.membership, resamples=resamples, seed=seed)["auc"]
            found.setdefault(name, []).append({"timestep": timestep, "auc": auc._asdict()})
    return found
