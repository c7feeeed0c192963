"""Who outranks whom: one sort that serves all resamples, since a resample only weighs pairs."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from pptp_jax.metrics.roc import check_scores


class Weighed(NamedTuple):
    """Resamples: each member's weight, and the weight of the first 0, 1, 2, ... non-members.

    Attributes:
        members: in falling order of their scores.
        nonmembers: likewise, cumulated.
    """

    members: Int[np.ndarray, "resamples members"]
    nonmembers: Int[np.ndarray, "resamples nonmembers+1"]

    def totals(self) -> tuple[Int[np.ndarray, " resamples"], Int[np.ndarray, " resamples"]]:
        """The weight of all members and of all non-members."""
        return self.members.sum(axis=1), self.nonmembers[:, -1]


class Ranking:
    """Members and non-members in falling order of their scores, for weighted ROC statistics.

    Weights are whole numbers and all sums of them exact; a resample's statistics are those of an
    ROC of as many copies of each pair as it weighs, ties included.

    Args:
        scores: the score of each example against each target; a larger one means "member".
        membership: who is a member of which target.

    Raises:
        ValueError: as `roc` does.

    Examples:
        >>> ranking = Ranking(np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]]))
        >>> weighed = ranking.weighed(np.array([[1]]), np.array([[3, 1, 1]]))
        >>> print(ranking.auc(weighed), ranking.tpr_at_fpr(weighed, 0.01))
        [0.75] [0.75]
    """

    def __init__(
        self,
        scores: Real[np.ndarray, "targets examples"],
        membership: Bool[np.ndarray, "targets examples"],
    ) -> None:
        check_scores(scores, membership)
        self._members, of_members = _falling(scores, membership)
        self._nonmembers, of_nonmembers = _falling(scores, ~membership)
        # Of each member: how many non-members score higher, and how many at least as high.
        self._higher = np.searchsorted(-of_nonmembers, -of_members, side="left")
        self._at_least = np.searchsorted(-of_nonmembers, -of_members, side="right")
        # Of each non-member, and of the floor below them all: how many members score higher.
        below = np.searchsorted(-of_members, -of_nonmembers, side="left")
        self._members_higher = np.append(below, len(of_members))

    def weighed(
        self,
        by_target: Int[np.ndarray, "resamples targets"],
        by_example: Int[np.ndarray, "resamples examples"],
    ) -> Weighed:
        """The pairs with their weights."""

        def weights(pairs: tuple[np.ndarray, ...]) -> np.ndarray:
            target, example = pairs
            drawn = by_target.take(target, axis=1)
            drawn *= by_example.take(example, axis=1)
            return drawn

        return Weighed(weights(self._members), _cumulated(weights(self._nonmembers)))

    def auc(self, weighed: Weighed) -> Float[np.ndarray, " resamples"]:
        """How often a member outscores a non-member, ties counting half (Mann and Whitney)."""
        members, nonmembers = weighed.totals()
        passed = weighed.nonmembers.take(self._higher, axis=1)
        passed += weighed.nonmembers.take(self._at_least, axis=1)
        pairs = 2 * members * nonmembers
        return (pairs - np.einsum("rm,rm->r", weighed.members, passed)) / pairs

    def tpr_at_fpr(self, weighed: Weighed, fpr: float) -> Float[np.ndarray, " resamples"]:
        """The highest TPR at a false-positive rate of at most `fpr`, as `tpr_at_fpr` has it."""
        found = [
            members[: self._members_higher[_refused(nonmembers, fpr)]].sum()
            for members, nonmembers in zip(*weighed, strict=True)
        ]
        return np.array(found) / weighed.totals()[0]

    def balanced_accuracy(self, weighed: Weighed) -> Float[np.ndarray, " resamples"]:
        """The best (TPR + 1 − FPR) / 2, reached just above some non-member or at the floor."""
        members, nonmembers = weighed.totals()
        found = _cumulated(weighed.members)
        gain = found.take(self._members_higher, axis=1) / members[:, None]
        gain -= weighed.nonmembers / nonmembers[:, None]
        return 0.5 + gain.max(axis=1) / 2


def _cumulated(weights: Int[np.ndarray, "resamples pairs"]) -> np.ndarray:
    """The weight of the first 0, 1, 2, ... pairs."""
    resamples, pairs = weights.shape
    rising = np.zeros((resamples, pairs + 1), int)
    np.cumsum(weights, axis=1, out=rising[:, 1:])
    return rising


def _refused(nonmembers: Int[np.ndarray, " nonmembers+1"], fpr: float) -> np.intp:
    """The first non-member that a threshold at this false-positive rate has to stay above."""
    # A rate such as 3/300 may come out a rounding above 0.01.
    return np.searchsorted(nonmembers[1:], (fpr + 1e-12) * nonmembers[-1], side="right")


def _falling(
    scores: np.ndarray, chosen: np.ndarray
) -> tuple[tuple[Int[np.ndarray, " pairs"], ...], np.ndarray]:
    """(target, example) of the chosen pairs in falling order of their scores, and these."""
    pairs = np.nonzero(chosen)
    order = np.argsort(-scores[pairs], kind="stable")
    places = tuple(place[order] for place in pairs)
    return places, scores[places]
