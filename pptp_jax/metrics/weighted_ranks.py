"""Weighted ROC statistics: one sort serves all resamples, which only weigh pairs."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from pptp_jax.metrics.resamples import Bootstrap
from pptp_jax.metrics.roc import checked_scores

# Pairs times resamples in one go: small matrices take many resamples at a time, and large
# ones in arrays that stay in the cache and that the allocator keeps.
BATCH = 2**16


class Weighed(NamedTuple):
    """Resamples, as what lies above each non-member; non-members in falling order of their scores.

    Attributes:
        own: the weight of each non-member.
        before: the weight of the first 0, 1, 2, ... non-members.
        higher: the weight of the members that score higher than each non-member and, last, than the
            floor below them all.
        at_least: the weight of the members that score at least as high as each non-member.
    """

    own: Int[np.ndarray, "resamples nonmembers"]
    before: Int[np.ndarray, "resamples nonmembers+1"]
    higher: Int[np.ndarray, "resamples nonmembers+1"]
    at_least: Int[np.ndarray, "resamples nonmembers"]

    def totals(self) -> tuple[Int[np.ndarray, " resamples"], Int[np.ndarray, " resamples"]]:
        """The weight of all members and of all non-members."""
        return self.higher[:, -1], self.before[:, -1]


class Ranking:
    """Members and non-members in falling order of their scores, for weighted ROC statistics.

    Weights are integers and all sums of them exact; a resample's statistics are those of an
    ROC of as many copies of each pair as it weighs, ties included.

    Args:
        scores: the score of each example against each target; a larger one means "member".
        membership: who is a member of which target.
        among: the pairs that count; None takes all.

    Raises:
        ValueError: as `roc` does.

    Examples:
        >>> ranking = Ranking(np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]]))
        >>> weighed = ranking.weighed(np.array([[1]]), np.array([[3, 1, 1]]))
        >>> print(ranking.auc(weighed), ranking.tpr_at_fpr(weighed, [0.01, 1.0]))
        [0.75] [[0.75 1.  ]]
    """

    def __init__(
        self,
        scores: Real[np.ndarray, "targets examples"],
        membership: Bool[np.ndarray, "targets examples"],
        among: Bool[np.ndarray, "targets examples"] | None = None,
    ) -> None:
        scores = checked_scores(scores, membership)
        if among is None:
            among = np.ones(scores.shape, bool)
        checked_scores(scores[among], membership[among])
        # Examples that nowhere count would only be multiplied in vain.
        self._examples = np.flatnonzero(among.any(axis=0))
        scores, membership, among = (a[:, self._examples] for a in (scores, membership, among))
        self._members, of_members = _falling(scores, membership & among)
        self._nonmembers, of_nonmembers = _falling(scores, ~membership & among)
        self._pairs = int(among.sum())
        # Of each non-member, and of the floor below them all: how many members score higher.
        higher = np.searchsorted(-of_members, -of_nonmembers, side="left")
        self._higher = np.append(higher, len(of_members))
        self._at_least = np.searchsorted(-of_members, -of_nonmembers, side="right")
        self._tied = bool((self._at_least > higher).any())

    def weighed(
        self,
        by_target: Int[np.ndarray, "resamples targets"],
        by_example: Int[np.ndarray, "resamples examples"],
    ) -> Weighed:
        """The pairs with their weights."""
        by_example = by_example.take(self._examples, axis=1)
        pairs = (by_target[:, :, None] * by_example[:, None, :]).reshape(len(by_target), -1)
        members = _cumulated(pairs.take(self._members, axis=1))
        own = pairs.take(self._nonmembers, axis=1)
        higher = members.take(self._higher, axis=1)
        at_least = members.take(self._at_least, axis=1) if self._tied else higher[:, :-1]
        return Weighed(own, _cumulated(own), higher, at_least)

    def drawn(
        self,
        resampling: Bootstrap,
        targets: Int[np.ndarray, " targets"],
        statistics: Callable[[Weighed], Float[np.ndarray, "resamples statistics"]],
    ) -> Float[np.ndarray, "1+resamples statistics"]:
        """Statistics of the sample itself and then of each resample.

        They are NaN in a resample that draws no members or no non-members.

        Args:
            resampling: the resamples.
            targets: the number of the model that each row of the scores belongs to.
            statistics: a row for each row of weights.
        """

        def table(by_target: np.ndarray, by_example: np.ndarray) -> np.ndarray:
            weighed = self.weighed(by_target, by_example)
            with np.errstate(invalid="ignore"):
                found = statistics(weighed)
            found[~np.logical_and(*weighed.totals())] = np.nan
            return found

        by_model, by_example = resampling.weights()
        by_target = by_model[:, targets]
        batch = max(1, BATCH // self._pairs)
        starts = range(0, resampling.resamples, batch)
        own = table(np.ones((1, len(targets)), int), np.ones((1, by_example.shape[1]), int))
        parts = [table(by_target[i : i + batch], by_example[i : i + batch]) for i in starts]
        return np.concatenate([own, *parts])

    def auc(self, weighed: Weighed) -> Float[np.ndarray, " resamples"]:
        """How often a member outscores a non-member, ties counting half (Mann and Whitney)."""
        members, nonmembers = weighed.totals()
        won = np.einsum("rn,rn->r", weighed.own, weighed.higher[:, :-1])
        won += np.einsum("rn,rn->r", weighed.own, weighed.at_least)
        return won / (2 * members * nonmembers)

    def tpr_at_fpr(
        self, weighed: Weighed, fprs: Sequence[float]
    ) -> Float[np.ndarray, "resamples fprs"]:
        """The highest TPR at a false-positive rate of at most each of `fprs`, as `tpr_at_fpr`."""
        members, nonmembers = weighed.totals()
        allowed = _share(fprs, nonmembers)
        # A threshold has to stay above the first non-member with whom there are too many.
        found = [
            higher[before[1:].searchsorted(most, side="right")]
            for higher, before, most in zip(weighed.higher, weighed.before, allowed, strict=True)
        ]
        return np.array(found) / members[:, None]

    def tnr_at_fnr(
        self, weighed: Weighed, fnrs: Sequence[float]
    ) -> Float[np.ndarray, "resamples fnrs"]:
        """The highest TNR at a false-negative rate of at most each of `fnrs`, as `tnr_at_fnr`."""
        members, nonmembers = weighed.totals()
        needed = members[:, None] - _share(fnrs, members)
        # A threshold just above a non-member finds the members that are higher.
        taken = [
            before[higher.searchsorted(least, side="left")]
            for higher, before, least in zip(weighed.higher, weighed.before, needed, strict=True)
        ]
        return (nonmembers[:, None] - np.array(taken)) / nonmembers[:, None]

    def advantage(self, weighed: Weighed) -> Float[np.ndarray, " resamples"]:
        """The largest TPR − FPR, reached just above some non-member or at the floor."""
        members, nonmembers = weighed.totals()
        gain = weighed.higher * nonmembers[:, None]
        gain -= weighed.before * members[:, None]
        return gain.max(axis=1) / (members * nonmembers)


def _cumulated(weights: Int[np.ndarray, "resamples pairs"]) -> np.ndarray:
    """The weight of the first 0, 1, 2, ... pairs."""
    resamples, pairs = weights.shape
    rising = np.zeros((resamples, pairs + 1), int)
    np.cumsum(weights, axis=1, out=rising[:, 1:])
    return rising


def _share(
    rates: Sequence[float], totals: Int[np.ndarray, " resamples"]
) -> Int[np.ndarray, "resamples rates"]:
    """The weight that each rate allows."""
    # A rate such as 3/300 may come out a rounding above 0.01.
    return np.floor(np.multiply.outer(totals, np.asarray(rates) + 1e-12)).astype(int)


def _falling(
    scores: np.ndarray, chosen: np.ndarray
) -> tuple[Int[np.ndarray, " pairs"], np.ndarray]:
    """The chosen pairs' places in falling order of their scores, and these."""
    pairs = np.flatnonzero(chosen)
    found = scores.ravel()[pairs]
    order = np.argsort(-found, kind="stable")
    return pairs[order], found[order]
