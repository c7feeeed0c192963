"""Agreement of attacks on members, and stability of one attack over targets."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from pptp_jax.metrics.bootstrap import Drawn
from pptp_jax.metrics.estimate import Estimate
from pptp_jax.metrics.resamples import Bootstrap
from pptp_jax.metrics.thresholds import cut_at_fpr
from pptp_jax.validation import Refused


class Agreement(NamedTuple):
    """The members that several attacks find; matrices compare two attacks each.

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
        """Plain lists; None for NaN."""
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
    """The members that an attack finds at a false-positive rate, one threshold for all targets.

    Raises:
        ValueError: if the rate allows not even one non-member, or as `cut_at_fpr` does.

    Examples:
        >>> scores, membership = np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]])
        >>> print(found_members(scores, membership, 1.0))
        [[ True False  True]]
    """
    cut, nonmembers = cut_at_fpr(scores, membership, fpr), int((~membership).sum())
    if fpr * nonmembers < 1:
        raise Refused(
            f"fpr must be at least 1 / {nonmembers}, the number of non-members, got {fpr}"
        )
    return (scores.astype(float) > cut) & membership


def agreement(
    scores: Mapping[str, Real[np.ndarray, "targets examples"]],
    membership: Bool[np.ndarray, "targets examples"]
    | Mapping[str, Bool[np.ndarray, "targets examples"]],
    *,
    fpr: float = 0.01,
    resamples: int = 500,
    seed: int = 0,
) -> Agreement:
    """Whether attacks find the same members at a false-positive rate.

    One attack on several fleets (recipes, seeds) can stand for several attacks: then it tells how
    stable the attack is. Where fleets differ in their members, two are compared on those that they
    have in common.

    Args:
        scores: of each attack.
        membership: who is a member of which target, for all attacks or by their names.
        fpr: the rate, for each attack by itself.
        resamples: the number of bootstrap resamples of targets and examples.
        seed: what the bootstrap depends on.

    Raises:
        ValueError: if there are no attacks, memberships go by other names or shapes than scores, or
            as `found_members` does.

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
        raise Refused("there must be at least one attack, got none")
    by_name = membership if isinstance(membership, Mapping) else dict.fromkeys(scores, membership)
    shapes = {own.shape for own in (*scores.values(), *by_name.values())}
    if set(by_name) != set(scores) or len(shapes) > 1:
        raise Refused(
            f"scores and membership must go by the same names and have one shape, got "
            f"{sorted(scores)}, {sorted(by_name)} and {sorted(shapes)}"
        )
    members = [by_name[name] for name in scores]
    found = np.array([found_members(own, by_name[name], fpr) for name, own in scores.items()])
    rows, columns = np.nonzero(found.any(axis=0))
    hits, possible = (
        np.array([own[rows, columns] for own in part], float) for part in (found, members)
    )
    targets, examples = members[0].shape
    by_target, by_example = Bootstrap(targets, examples, resamples, seed).weights()

    def jaccard(weights: Float[np.ndarray, " pairs"]) -> Float[np.ndarray, "attacks attacks"]:
        weighed = hits * weights
        return _jaccard(weighed @ hits.T, weighed @ possible.T)

    drawn = np.array(
        [
            jaccard(of_target[rows] * of_example[columns])
            for of_target, of_example in zip(by_target, by_example, strict=True)
        ]
    )
    both, sizes = hits @ hits.T, hits @ possible.T
    own, either = _jaccard(both, sizes), sizes + sizes.T - both
    low, high = own.copy(), own.copy()
    for i, j in combinations(range(len(own)), 2):
        limits = Drawn(float(own[i, j]), drawn[:, i, j], int(either[i, j])).estimate()
        if limits.value is not None:
            low[i, j] = low[j, i] = limits.low
            high[i, j] = high[j, i] = limits.high
    common = np.array([[np.count_nonzero(a & b) for b in members] for a in members], float)
    chance = _by_chance(sizes, common)
    np.fill_diagonal(chance, np.diagonal(both))
    return Agreement(
        attacks=tuple(scores),
        found=found.sum(axis=(1, 2)),
        jaccard=own,
        low=low,
        high=high,
        chance=_jaccard(chance, sizes),
        overlap=_ratio(both, np.minimum(sizes, sizes.T)),
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
    members = membership.astype(float)
    sizes = found @ members.T
    own = _jaccard(found @ found.T, sizes)
    chance = _jaccard(_by_chance(sizes, members @ members.T), sizes)
    defined = np.isfinite(own) & ~np.eye(len(own), dtype=bool)
    targets, examples = membership.shape
    by_target, _ = Bootstrap(targets, examples, resamples, seed).weights()
    weights = np.append(np.ones((1, len(own)), int), by_target, axis=0).astype(float)
    counts = ((weights @ defined) * weights).sum(axis=1)
    totals = ((weights @ np.where(defined, own, 0)) * weights).sum(axis=1)
    means = _ratio(totals, counts)
    return Stability(
        Drawn(float(means[0]), means[1:]).estimate(),
        float(chance[defined].mean()) if defined.any() else None,
    )


def _jaccard(
    both: Float[np.ndarray, "sets sets"], sizes: Float[np.ndarray, "sets sets"]
) -> Float[np.ndarray, "sets sets"]:
    """The index, from the number in both and that in one (row) that could be in the other."""
    return _ratio(both, sizes + sizes.T - both)


def _by_chance(
    sizes: Float[np.ndarray, "sets sets"], common: Float[np.ndarray, "sets sets"]
) -> Float[np.ndarray, "sets sets"]:
    """How many of the common members both find on average, if each finds its number anywhere."""
    return _ratio(sizes * sizes.T, common)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
