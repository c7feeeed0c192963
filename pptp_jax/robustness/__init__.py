"""Robustness: accuracy on perturbed inputs, distances to the boundary, and curvature."""

from pptp_jax.robustness.ball import Ball
from pptp_jax.robustness.boundary import Boundary, nearest_boundary
from pptp_jax.robustness.corruption import CORRUPTIONS, corrupted
from pptp_jax.robustness.curvature import input_curvature
from pptp_jax.robustness.fgsm import fgsm
from pptp_jax.robustness.geometry import Geometry, input_geometry
from pptp_jax.robustness.gradient import ascent
from pptp_jax.robustness.masked_gradients import masking_warnings
from pptp_jax.robustness.measure import right_when_disturbed
from pptp_jax.robustness.pgd import pgd
from pptp_jax.robustness.settings import Robustness, Trial, check_disturbable

__all__ = [
    "CORRUPTIONS",
    "Ball",
    "Boundary",
    "Geometry",
    "Robustness",
    "Trial",
    "ascent",
    "check_disturbable",
    "corrupted",
    "fgsm",
    "input_curvature",
    "input_geometry",
    "masking_warnings",
    "nearest_boundary",
    "pgd",
    "right_when_disturbed",
]
