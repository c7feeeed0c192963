"""Samples against real examples: their nearest ones, precision and recall; NumPy, float64."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.spatial.distance import cdist

from pptp_jax.validation import Refused, at_least

# The numbers of a matrix of distances that are held at once.
_AT_ONCE = 2**24


class Nearest(NamedTuple):
    """The nearest of some points to each of others.

    Attributes:
        row: which one.
        distance: how far it is.
    """

    row: Int[np.ndarray, " points"]
    distance: Float[np.ndarray, " points"]


def nearest(
    points: Shaped[np.ndarray, "points ..."], others: Shaped[np.ndarray, "others ..."]
) -> Nearest:
    """The nearest of the others to each point, by Euclidean distance.

    Args:
        points: such as samples.
        others: such as members.

    Raises:
        ValueError: if there are no others.

    Examples:
        >>> nearest(np.array([[0.0], [5.0]]), np.array([[4.0], [1.0]]))
        Nearest(row=array([1, 0]), distance=array([1., 1.]))
    """
    at_least(1, **{"the number of others": len(others)})
    a, b = _flat(points), _flat(others)
    found = [_closest(part, b) for part in _parts(a, len(b))]
    row, distance = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Nearest(row, distance)


class Manifolds(NamedTuple):
    """Precision, the share of realistic samples; and recall, the share of reproducible examples.

    Attributes:
        precision: the share of samples within the manifold of real examples.
        recall: the share of real examples within the manifold of samples.
    """

    precision: float
    recall: float


def manifolds(
    real: Shaped[np.ndarray, "real ..."],
    made: Shaped[np.ndarray, "made ..."],
    neighbours: int = 3,
) -> Manifolds:
    """Improved precision and recall of samples.

    The manifold of a set is the union of balls around its points, each as far as the point's k-th
    nearest neighbour in the set. Both numbers fall or rise with the number of points: compare sets
    of equal sizes alone.

    Args:
        real: features of real examples that the model was not trained on.
        made: features of as many samples.
        neighbours: k; the paper takes 3.

    Raises:
        ValueError: if a set has no more than k points.

    References:
        Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models",
        NeurIPS 2019, https://arxiv.org/abs/1904.06991

    Examples:
        >>> real = np.random.default_rng(0).normal(size=(100, 2))
        >>> manifolds(real, real), manifolds(real, np.zeros((100, 2))).recall
        (Manifolds(precision=1.0, recall=1.0), 0.0)
    """
    at_least(1, neighbours=neighbours)
    for name, points in (("real", real), ("made", made)):
        if len(points) <= neighbours:
            raise Refused(
                f"{name} must have more than {neighbours} points, the neighbours, got {len(points)}"
            )
    a, b = _flat(real), _flat(made)
    return Manifolds(_covered(b, a, neighbours), _covered(a, b, neighbours))


def _covered(points: np.ndarray, centres: np.ndarray, neighbours: int) -> float:
    """The share of the points that lie within the manifold of the centres."""
    radii = np.concatenate(
        # Each centre is its own nearest one.
        [
            np.partition(cdist(part, centres), neighbours, axis=1)[:, neighbours]
            for part in _parts(centres, len(centres))
        ]
    )
    inside = [(cdist(part, centres) <= radii).any(axis=1) for part in _parts(points, len(centres))]
    return float(np.concatenate(inside).mean())


def _closest(part: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distances = cdist(part, others)
    row = distances.argmin(axis=1)
    return row, distances[np.arange(len(part)), row]


def _parts(points: np.ndarray, others: int) -> list[np.ndarray]:
    size = max(1, _AT_ONCE // others)
    return [points[start : start + size] for start in range(0, max(1, len(points)), size)]


def _flat(points: np.ndarray) -> np.ndarray:
    return np.asarray(points, np.float64).reshape(len(points), -1)
