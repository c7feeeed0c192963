"""What attacks achieve on a fleet, and what defences keep where attacks achieve the same."""

from pptp_jax.evaluation.curve import Curve, frontier
from pptp_jax.evaluation.matched import Matched
from pptp_jax.evaluation.matching import STATISTICS, matched_utility
from pptp_jax.evaluation.measure import Measure
from pptp_jax.evaluation.point import Point, point

__all__ = [
    "STATISTICS",
    "Curve",
    "Matched",
    "Measure",
    "Point",
    "frontier",
    "matched_utility",
    "point",
]
