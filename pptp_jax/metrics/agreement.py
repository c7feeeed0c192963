"""Whether attacks find the same members, and whether one finds them again in another target."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from pptp_jax.metrics.cuts import cut_at_fpr
from pptp_jax.metrics.drawn import Drawn
from pptp_jax.metrics.estimate import Estimate
from pptp_jax.metrics.resampling import Resampling


class Agreement(NamedTuple):
    """Which members several attacks find; what compares two of them has a row for each.

    Attributes:
        attacks: their names.
        found: how many (target, member) pairs each finds.
        jaccard: of the pairs that either finds, the share that both find; NaN if they find none.
        low: the lower 95 % limit of that.
        high: the upper.
        chance: what it would be for attacks that find as many, but any.
        overlap: of the pairs that the one who finds fewer finds, the share that both find.
    """

    attacks: tuple[str, ...]
    found: Int[np.ndarray, " attacks"]
    jaccard: Float[np.ndarray, "attacks attacks"]
    low: Float[np.ndarray, "attacks attacks"]
    high: Float[np.ndarray, "attacks attacks"]
    chance: Float[np.ndarray, "attacks attacks"]
    overlap: Float[np.ndarray, "attacks attacks"]

    def to_json(self) -> dict[str, Any]:
        """Lists; None for what is not a number."""
        matrices = {
            name: [[None if np.isnan(x) else float(x) for x in row] for row in getattr(self, name)]
            for name in ("jaccard", "low", "high", "chance", "overlap")
        }
        return {"attacks": list(self.attacks), "found": self.found.tolist(), **matrices}


class Stability(NamedTuple):
    """Whether an attack finds a member again in another target that trained on it too.

    Attributes:
        jaccard: of the common members of two targets that are found in either, the share that is
            found in both; the mean over all pairs of targets, with the interval of a bootstrap of
            targets.
        chance: the mean for an attack that finds as many, but any.
    """

    jaccard: Estimate
    chance: float | None

    def to_json(self) -> dict[str, Any]:
        """Both, by name."""
        return {"jaccard": self.jaccard._asdict(), "chance": self.chance}


def found_members(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    fpr: float,
) -> Bool[np.ndarray, "targets examples"]:
    """The members whom an attack finds at a false-positive rate, one cut for all targets.

    Raises:
        ValueError: if the rate allows not even one non-member, or as `cut_at_fpr` does.

    Examples:
        >>> scores, membership = np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]])
        >>> print(found_members(scores, membership, 1.0))
        [[ True False  True]]
    """
    cut, nonmembers = cut_at_fpr(scores, membership, fpr), int((~membership).sum())
    if fpr * nonmembers < 1:
        raise ValueError(
            f"fpr must be at least 1 / {nonmembers}, the number of non-members, got {fpr}"
        )
    return (scores > cut) & membership


def agreement(
    scores: Mapping[str, Real[np.ndarray, "targets examples"]],
    membership: Bool[np.ndarray, "targets examples"],
    *,
    fpr: float = 0.01,
    resamples: int = 500,
    seed: int = 0,
) -> Agreement:
    """Whether attacks find the same members at a false-positive rate.

    The same attack on fleets that share a membership matrix (recipes, initial values) can stand for
    several attacks: then it tells how stable the attack is.

    Args:
        scores: of each attack.
        membership: who is a member of which target.
        fpr: the rate, for each attack by itself.
        resamples: the number of bootstrap resamples of targets and examples.
        seed: what the bootstrap depends on.

    Raises:
        ValueError: if there are no attacks, or as `found_members` does.

    References:
        Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 11, 1912.

    Examples:
        >>> membership = np.array([[True, True, True, False]])
        >>> scores = {"a": np.array([[4.0, 3.0, 1.0, 2.0]]), "b": np.array([[1.0, 4.0, 3.0, 2.0]])}
        >>> found = agreement({name: np.append(own, own, 0) for name, own in scores.items()},
        ...     np.append(membership, membership, 0), fpr=0.5)
        >>> print(found.found, found.jaccard[0, 1].round(2), found.overlap[0, 1])
        [4 4] 0.33 0.5
    """
    if not scores:
        raise ValueError("there must be at least one attack, got none")
    found = np.array([found_members(own, membership, fpr) for own in scores.values()])
    rows, columns = np.nonzero(found.any(axis=0))
    hits = found[:, rows, columns].astype(float)
    targets, examples = membership.shape
    by_target, by_example = Resampling(targets, examples, resamples, seed).weights()
    both = hits @ hits.T
    drawn = np.array(
        [
            _jaccard((hits * (of_target[rows] * of_example[columns])) @ hits.T)
            for of_target, of_example in zip(by_target, by_example, strict=True)
        ]
    )
    limits = np.full((2, *both.shape), np.nan)
    told = np.isfinite(drawn).any(axis=0)
    limits[:, told] = np.nanquantile(drawn[:, told], [0.025, 0.975], axis=0)
    sizes = np.diagonal(both)
    by_chance = np.multiply.outer(sizes, sizes) / membership.sum()
    np.fill_diagonal(by_chance, sizes)
    smaller = np.minimum.outer(sizes, sizes)
    return Agreement(
        attacks=tuple(scores),
        found=sizes.astype(int),
        jaccard=_jaccard(both),
        low=limits[0],
        high=limits[1],
        chance=_jaccard(by_chance),
        overlap=_ratio(both, smaller),
    )


def stability(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    *,
    fpr: float = 0.01,
    resamples: int = 500,
    seed: int = 0,
) -> Stability:
    """Whether an attack finds a member again in other targets that trained on it.

    Args:
        scores: the score of each example against each target.
        membership: who is a member of which target.
        fpr: the false-positive rate, one cut for all targets.
        resamples: the number of bootstrap resamples of targets.
        seed: what the bootstrap depends on.

    Raises:
        ValueError: as `found_members` does.

    Examples:
        >>> membership = np.array([[True, True, False], [True, True, False]])
        >>> scores = np.array([[3.0, 0.0, 1.0], [3.0, 4.0, 2.0]])
        >>> stability(scores, membership, fpr=0.5).jaccard.value
        0.5
    """
    found = found_members(scores, membership, fpr).astype(float)
    common = membership.astype(float) @ membership.T.astype(float)
    # How many of what is found in one target (row) are members of another (column).
    sizes = found @ membership.T.astype(float)
    both = found @ found.T
    with np.errstate(invalid="ignore", divide="ignore"):
        by_chance = sizes * sizes.T / common
    own, chance = (_ratio(shared, sizes + sizes.T - shared) for shared in (both, by_chance))
    told = np.isfinite(own) & ~np.eye(len(own), dtype=bool)
    targets, examples = membership.shape
    by_target, _ = Resampling(targets, examples, resamples, seed).weights()
    weights = np.append(np.ones((1, len(own)), int), by_target, axis=0).astype(float)
    counts = ((weights @ told) * weights).sum(axis=1)
    totals = ((weights @ np.where(told, own, 0)) * weights).sum(axis=1)
    means = _ratio(totals, counts)
    return Stability(
        Drawn(float(means[0]), means[1:]).estimate(),
        float(chance[told].mean()) if told.any() else None,
    )


def _jaccard(both: Float[np.ndarray, "sets sets"]) -> Float[np.ndarray, "sets sets"]:
    """From the sizes of intersections, those of the sets themselves on the diagonal."""
    sizes = np.diagonal(both)
    return _ratio(both, np.add.outer(sizes, sizes) - both)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
