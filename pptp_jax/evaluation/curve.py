"""A curve: a defence at several strengths, and its Pareto frontier."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pptp_jax.evaluation.measure import ACCURACY, Measure
from pptp_jax.evaluation.point import Point
from pptp_jax.validation import Refused, one_of


@dataclass(frozen=True, eq=False)
class Curve:
    """The points of one defence at different strengths, or after different numbers of epochs.

    Attributes:
        name: of the defence, for sentences and figures.
        points: in any order; all on the same resamples.
        measure: what their utility is.

    Raises:
        ValueError: if there are no points or their resamples differ.

    Examples:
        >>> from pptp_jax.evaluation import point
        >>> membership = np.array([[True, False]])
        >>> curve = Curve("undefended", (point(np.eye(1, 2), membership, ~membership),))
        >>> curve.to_json()["points"][0]["auc"]
        {'value': 1.0, 'low': 1.0, 'high': 1.0}
    """

    name: str
    points: tuple[Point, ...]
    measure: Measure = ACCURACY

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple(self.points))
        if not self.points:
            raise Refused(f"{self.name} must have at least one point, got none")
        self.same_resamples(self)

    def same_resamples(self, other: "Curve") -> None:
        """Refuses a curve on other resamples: differences need pairs."""
        first = self.points[0].resampling
        for point in other.points:
            if point.resampling != first:
                raise Refused(
                    f"all points must stand on the same resamples; {self.name} has {first}, "
                    f"a point of {other.name} has {point.resampling}"
                )

    def comparable(self, other: "Curve") -> None:
        """Refuses a curve of other resamples, or of another measure of utility."""
        self.same_resamples(other)
        if self.measure != other.measure:
            raise Refused(
                f"two curves must have one measure of utility; {self.name} has "
                f"{self.measure.name}, {other.name} has {other.measure.name}"
            )

    def drawn(self, statistic: str) -> tuple[np.ndarray, np.ndarray]:
        """Strengths and utilities, each (1 + resamples, points); row 0 is the sample itself.

        Raises:
            ValueError: if a point lacks the statistic.
        """
        for point in self.points:
            one_of(point.strength, statistic=statistic)
        strengths, utilities = (
            np.array([[found.value, *found.drawn] for found in column]).T
            for column in (
                [point.strength[statistic] for point in self.points],
                [point.utility for point in self.points],
            )
        )
        return strengths, utilities

    def to_json(self) -> dict[str, Any]:
        """The name and every point's estimates."""
        return {"name": self.name, "points": [point.to_json() for point in self.points]}


def frontier(
    strengths: Float[np.ndarray, " points"], utilities: Float[np.ndarray, " points"]
) -> Int[np.ndarray, " frontier"]:
    """The indices of the Pareto-optimal points, from the least strength up.

    They are the corners of the upper concave hull as far as it rises: a point is left out if
    another, or a mixture of two others, has at least its utility at no more strength. Along what
    remains, strength and utility both rise, and ever less steeply; of equal points one remains.

    Args:
        strengths: what the attack achieves.
        utilities: the larger the better; negate them where lower is better.

    Examples:
        >>> frontier(np.array([0.9, 0.6, 0.7, 0.5]), np.array([0.7, 0.6, 0.7, 0.2]))
        array([3, 1, 2])
    """
    corners: list[int] = []
    for i in np.lexsort((-utilities, strengths)):
        if corners and utilities[i] <= utilities[corners[-1]]:
            continue
        while len(corners) > 1:
            first, last = corners[-2:]
            run, rise = strengths[last] - strengths[first], utilities[last] - utilities[first]
            # Above the line from the corner before it to the new point?
            if rise * (strengths[i] - strengths[first]) > run * (utilities[i] - utilities[first]):
                break
            corners.pop()
        corners.append(int(i))
    return np.array(corners)
