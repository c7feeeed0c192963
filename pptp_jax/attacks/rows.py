"""Indices and masks of models and examples, checked."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int, Shaped

from pptp_jax.validation import Refused, positive


def numbers(chosen: Sequence[int] | None, what: str, total: int) -> Int[np.ndarray, " chosen"]:
    """The chosen models; None for all.

    Raises:
        Refused: if one is unknown or given several times.

    Examples:
        >>> numbers(None, "target", 3), numbers([2, 0], "target", 3)
        (array([0, 1, 2]), array([2, 0]))
    """
    if chosen is None:
        return np.arange(total)
    return indices(chosen, what, total, "models")


def indices(
    chosen: Sequence[int] | Int[np.ndarray, " chosen"], what: str, total: int, of: str
) -> Int[np.ndarray, " chosen"]:
    """What was chosen by numbers, as an array.

    Raises:
        Refused: if these are no integers, or one is out of range or repeated.

    Examples:
        >>> indices([0, 2], "target", 3, "models")
        array([0, 2])
        >>> indices([1, 1], "example", 3, "examples")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: example 1 is given several times: give each of them once
    """
    found = np.array(chosen)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        hint = ": of a mask hand over np.flatnonzero(mask)" * (found.dtype == bool)
        raise Refused(f"{what}s must be numbers of {of}, such as [0, 1], got {chosen!r:.80}{hint}")
    found = found.astype(int)
    outside = (found < 0) | (found >= total)
    if outside.any():
        raise Refused(f"{what} must be one of the {of} 0 to {total - 1}, got {found[outside][0]}")
    values, times = np.unique(found, return_counts=True)
    for number in values[times > 1].tolist():
        raise Refused(f"{what} {number} is given several times: give each of them once")
    return found


def mask_of(
    mask: Sequence[bool] | Bool[np.ndarray, " total"], what: str, total: int, of: str
) -> Bool[np.ndarray, " total"]:
    """A mask as an array.

    Raises:
        Refused: if it is no mask, one of another length, or an empty one.

    Examples:
        >>> mask_of(np.ones(2, bool), "nonmembers", 3, "examples")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: nonmembers must be a mask of the 3 examples, got bool of ...
    """
    found = np.asarray(mask)
    if found.shape != (total,) or found.dtype != bool:
        raise Refused(
            f"{what} must be a mask of the {total} {of}, got {found.dtype} of shape {found.shape}"
        )
    positive(**{what: int(found.sum())})
    return found


def check_membership(membership: Shaped[np.ndarray, "..."]) -> None:
    """Refuses what is no matrix of truth values.

    Raises:
        Refused: saying what it should be.

    Examples:
        >>> check_membership(np.ones(3))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: membership must be boolean, of shape ...
    """
    if membership.ndim != 2 or membership.dtype != bool:
        numbers = membership.dtype.kind in "iuf"
        raise Refused(
            "membership must be boolean, of shape (models, examples), got "
            f"{membership.dtype} of shape {membership.shape}"
            + ": if it holds 0 and 1, hand over membership.astype(bool)" * numbers
            + ": of one model, hand over membership[None]" * (membership.ndim == 1)
        )


def check_same_shapes(
    shadows: Mapping[str, Shaped[np.ndarray, "..."]],
    targets: Mapping[str, Shaped[np.ndarray, "..."]],
) -> None:
    """Refuses mismatched shadow signals that have another shape than the targets' own.

    Raises:
        Refused: naming both shapes.

    Examples:
        >>> check_same_shapes({"correct": np.ones((2, 1, 3))}, {"correct": np.ones((2, 1, 3))})
    """
    for name in shadows.keys() & targets.keys():
        if shadows[name].shape != targets[name].shape:
            raise Refused(
                "mismatched shadow signals must have the shape of the targets' own, "
                f"{targets[name].shape}, got {shadows[name].shape}"
            )


def rows_of(
    array: Shaped[np.ndarray, "models ..."], rows: Int[np.ndarray, " rows"]
) -> Shaped[np.ndarray, "rows ..."]:
    """Some models' rows; without a copy where the models stand side by side.

    Examples:
        >>> rows_of(np.arange(5), np.array([1, 2, 3]))
        array([1, 2, 3])
    """
    if len(rows) and (np.diff(rows) == 1).all():
        return array[rows[0] : rows[-1] + 1]
    return array[rows]
