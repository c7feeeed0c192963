"""The ROC on logarithmic axes, with a band."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real

from pptp_jax.metrics.bootstrap import Drawn
from pptp_jax.metrics.resamples import Bootstrap
from pptp_jax.metrics.weighted_ranks import Ranking
from pptp_jax.validation import at_least


class RocBand(NamedTuple):
    """The TPR at rising false-positive rates, with the limits of a 95 % interval at each.

    Attributes:
        fpr: from the lowest rate that the sample resolves up to 1, evenly on a logarithmic axis.
        tpr: the highest at this rate.
        low: the lower limit.
        high: the upper limit.
    """

    fpr: Float[np.ndarray, " points"]
    tpr: Float[np.ndarray, " points"]
    low: Float[np.ndarray, " points"]
    high: Float[np.ndarray, " points"]

    def to_json(self) -> dict[str, list[float]]:
        """Four lists."""
        return {name: column.tolist() for name, column in self._asdict().items()}


def roc_band(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    *,
    points: int = 60,
    resamples: int = 500,
    seed: int = 0,
) -> RocBand:
    """The ROC of all targets for logarithmic axes, with a 95 % band at each point.

    Args:
        scores: the score of each example against each target.
        membership: who is a member of which target.
        points: the number of false-positive rates.
        resamples: the number of bootstrap resamples of targets and examples.
        seed: what the bootstrap depends on.

    Raises:
        ValueError: if there are fewer than 2 points, or as `roc` does.

    Examples:
        >>> membership = np.arange(200).reshape(2, 100) % 2 == 0
        >>> band = roc_band(np.where(membership, 1.0, 0.0), membership, points=3)
        >>> print(band.fpr.round(2), band.tpr, band.low.round(2))
        [0.01 0.1  1.  ] [1. 1. 1.] [0.96 0.96 0.96]
    """
    at_least(2, points=points)
    targets, examples = scores.shape
    ranking = Ranking(scores, membership)
    fprs = np.geomspace(1 / (~membership).sum(), 1, points).tolist()
    columns = ranking.drawn(
        Bootstrap(targets, examples, resamples, seed),
        np.arange(targets),
        lambda weighed: ranking.tpr_at_fpr(weighed, fprs),
    ).T
    found = [Drawn(column[0], column[1:], int(membership.sum())).estimate() for column in columns]
    return RocBand(np.array(fprs), *np.array(found, float).T)
