"""Attacks on owners of several records, such as patients or users."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from pptp_jax.evaluation.warnings import FEW
from pptp_jax.metrics import (
    attack_metrics,
    owner_membership,
    owner_metrics,
    partial_owners,
)
from pptp_jax.metrics.owners import JOINS, Join

# Their scores are log-likelihood ratios, which add up over independent records.
LOG_RATIOS = ("lira_online", "lira_multivariate", "bavaria_t")


def joins_of(attack: str) -> tuple[Join, ...]:
    """The ways to aggregate an attack's scores; the sum is for log-likelihood ratios alone.

    Examples:
        >>> joins_of("lira_online(variance=global)"), joins_of("loss")
        (('mean', 'maximum', 'sum'), ('mean', 'maximum'))
    """
    ratios = attack.partition("(")[0] in LOG_RATIOS
    return tuple(join for join in JOINS if ratios or join != "sum")


def by_owner(
    scores: Mapping[str, Float[np.ndarray, "targets examples"]],
    membership: Bool[np.ndarray, "targets examples"],
    owners: Shaped[np.ndarray, " examples"],
    shadow_membership: Bool[np.ndarray, "shadows examples"],
    *,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """The metrics of the attacks on owners, with notes on confounders.

    Args:
        scores: those of each attack.
        membership: which records are members of which target.
        owners: whose each record is.
        shadow_membership: which records are members of which shadow.
        resamples: the number of bootstrap resamples of targets and owners.
        seed: what the bootstrap depends on.

    Returns:
        How many `owners` there are, the `least`, `median` and `most` records of one; `attacks`, by
        attack and join the metrics; `size`, the AUC of an owner's number of records alone; and
        `notes`, sentences on threats to validity.

    Raises:
        Refused: if an owner is half in, half out.
    """
    draws: dict[str, Any] = {"resamples": resamples, "seed": seed}
    truth = owner_membership(membership, owners)
    _, sizes = np.unique(owners, return_counts=True)
    alone = np.broadcast_to(sizes, truth.shape)
    size = attack_metrics(alone, truth, fprs=(), fnrs=(), priors=(), **draws)["auc"]
    notes = []
    if size.low is not None and size.high is not None and not size.low <= 0.5 <= size.high:
        notes.append(
            "the number of an owner's records alone distinguishes members from non-members (AUC "
            f"{size.value:.3f}), so results by owner may rest on it: draw owners with as many "
            "records on both sides, as pptp_jax.data.draw_by_owner does"
        )
    sides = int(truth.any(axis=0).sum()), int((~truth).any(axis=0).sum())
    if min(sides) < FEW:
        notes.append(
            f"only {sides[0]} owners are members of a target and {sides[1]} are not: with fewer "
            f"than {FEW}, the intervals by owner are too narrow"
        )
    if broken := int((partial_owners(shadow_membership, owners) > 0).sum()):
        notes.append(
            f"{broken} shadows trained on some of an owner's records, but not on all: results by "
            "owner are those of an attacker whose shadows were drawn by record"
        )
    return {
        "owners": len(sizes),
        "least": int(sizes.min()),
        "median": float(np.median(sizes)),
        "most": int(sizes.max()),
        "attacks": {
            name: {
                join: {
                    metric: found._asdict()
                    for metric, found in owner_metrics(
                        own, membership, owners, join=join, **draws
                    ).items()
                }
                for join in joins_of(name)
            }
            for name, own in scores.items()
        },
        "size": size._asdict(),
        "notes": notes,
    }
