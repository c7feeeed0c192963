"""Owners of several records: their scores and their membership, from those of the records."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int, Real, Shaped

from pptp_jax.metrics.attack_metrics import FPRS, attack_metrics
from pptp_jax.metrics.estimate import Estimate
from pptp_jax.validation import Refused, one_of

Join = Literal["mean", "maximum", "sum"]
JOINS: tuple[Join, ...] = get_args(Join)


def owner_scores(
    scores: Real[np.ndarray, "targets examples"],
    owners: Shaped[np.ndarray, " examples"],
    *,
    join: Join = "mean",
) -> Float[np.ndarray, "targets owners"]:
    """The score of each owner against each target, from the scores of its records.

    The sum is for log-likelihood ratios, such as those of LiRA: of independent records it is the
    log-likelihood ratio of all of them together. Of other scores it also counts records.

    Args:
        scores: the score of each record against each target.
        owners: whose each record is; numbers or texts.
        join: `mean`, `maximum` or `sum`.

    Returns:
        One column an owner, in the order of `np.unique(owners)`.

    Raises:
        Refused: if the owners do not fit the scores, or the join is unknown.

    Examples:
        >>> scores, owners = np.array([[3.0, 1.0, 5.0]]), np.array(["b", "b", "a"])
        >>> [owner_scores(scores, owners, join=join).tolist() for join in JOINS]
        [[[5.0, 2.0]], [[5.0, 3.0]], [[5.0, 4.0]]]
    """
    one_of(JOINS, join=join)
    order, starts, sizes = _grouped(owners, scores.shape[1])
    sorted_scores = scores.astype(np.float64)[:, order]
    if join == "maximum":
        return np.maximum.reduceat(sorted_scores, starts, axis=1)
    total = np.add.reduceat(sorted_scores, starts, axis=1)
    return total / sizes if join == "mean" else total


def owner_membership(
    membership: Bool[np.ndarray, "models examples"], owners: Shaped[np.ndarray, " examples"]
) -> Bool[np.ndarray, "models owners"]:
    """Which owners are members of which model: those all of whose records are.

    Args:
        membership: which records are members of which model.
        owners: whose each record is.

    Returns:
        One column an owner, in the order of `np.unique(owners)`.

    Raises:
        Refused: if the owners do not fit, or an owner is half in, half out.

    Examples:
        >>> owner_membership(np.array([[True, True, False]]), np.array([7, 7, 2]))
        array([[False,  True]])
        >>> owner_membership(np.array([[True, False, False]]), np.array([7, 7, 2]))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: model 0 trained on 1 of the 2 records of owner 7 ...
    """
    inside, sizes = _inside(membership, owners)
    split = (inside > 0) & (inside < sizes)
    if split.any():
        model, owner = np.argwhere(split)[0].tolist()
        name = np.unique(owners)[owner].item()
        raise Refused(
            f"model {model} trained on {inside[model, owner]} of the {sizes[owner]} records of "
            f"owner {name!r} ({split.sum()} of {split.size} pairs of a model and an owner are "
            "half in, half out): an owner is a member with all records or with none, as "
            "pptp_jax.data.draw_by_owner draws them"
        )
    return inside == sizes


def partial_owners(
    membership: Bool[np.ndarray, "models examples"], owners: Shaped[np.ndarray, " examples"]
) -> Int[np.ndarray, " models"]:
    """The number of owners of whom each model trained on some records, but not on all.

    Examples:
        >>> membership = np.array([[True, False, True], [True, True, False]])
        >>> partial_owners(membership, np.array([7, 7, 2]))
        array([1, 0])
    """
    inside, sizes = _inside(membership, owners)
    return ((inside > 0) & (inside < sizes)).sum(axis=1)


def owner_metrics(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    owners: Shaped[np.ndarray, " examples"],
    *,
    join: Join = "mean",
    fprs: Sequence[float] = FPRS,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, Estimate]:
    """The metrics of an attack on owners instead of records.

    The bootstrap draws targets and owners, and an owner comes with all its records, so records of
    one owner may depend on each other.

    Args:
        scores: the score of each record against each target.
        membership: which records are members of which target.
        owners: whose each record is.
        join: how the scores of an owner's records become one; see `owner_scores`.
        fprs: the false-positive rates, as shares of owners, at which the TPR is taken.
        resamples: the number of bootstrap resamples of targets and owners.
        seed: what the bootstrap depends on.

    Returns:
        `auc`, `balanced_accuracy`, `advantage` and `tpr@FPR`, as `attack_metrics` has them.

    Raises:
        Refused: if an owner is half in, half out, or as `attack_metrics` does.

    Examples:
        >>> scores, owners = np.array([[0.0, 3.0, 1.0, 1.0]]), np.array([0, 0, 1, 1])
        >>> membership = np.array([[True, True, False, False]])
        >>> owner_metrics(scores, membership, owners, join="maximum")["auc"].value
        1.0
    """
    joined = owner_scores(scores, owners, join=join)
    truth = owner_membership(membership, owners)
    return attack_metrics(
        joined, truth, fprs=fprs, fnrs=(), priors=(), resamples=resamples, seed=seed
    )


def _inside(
    membership: Bool[np.ndarray, "models examples"], owners: Shaped[np.ndarray, " examples"]
) -> tuple[Int[np.ndarray, "models owners"], Int[np.ndarray, " owners"]]:
    """How many of each owner's records each model trained on, and how many there are."""
    order, starts, sizes = _grouped(owners, membership.shape[1])
    return np.add.reduceat(membership[:, order].astype(np.int64), starts, axis=1), sizes


def _grouped(
    owners: Shaped[np.ndarray, " examples"], examples: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The records by owner, where each owner's begin, and how many each has."""
    if owners.shape != (examples,) or not examples:
        raise Refused(
            f"owners must have shape ({examples},), one owner a record, of at least one record; "
            f"got {owners.shape}"
        )
    _, inverse, sizes = np.unique(owners, return_inverse=True, return_counts=True)
    return np.argsort(inverse, kind="stable"), np.append(0, sizes.cumsum()[:-1]), sizes
