"""Comparison at matched attack strength: what a defence keeps where attacks achieve the same."""

from pptp_jax.compare.curve import Curve, frontier
from pptp_jax.compare.matched import Matched
from pptp_jax.compare.matching import matched_accuracy
from pptp_jax.compare.point import Point, point

__all__ = ["Curve", "Matched", "Point", "frontier", "matched_accuracy", "point"]
