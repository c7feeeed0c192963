"""Whether models stay right where their inputs are disturbed: FGSM, PGD and Gaussian noise."""

from pptp_jax.robustness.ball import Ball
from pptp_jax.robustness.fgsm import fgsm
from pptp_jax.robustness.gradient import ascent
from pptp_jax.robustness.measure import right_when_disturbed
from pptp_jax.robustness.pgd import pgd
from pptp_jax.robustness.settings import Robustness, Trial, check_disturbable

__all__ = [
    "Ball",
    "Robustness",
    "Trial",
    "ascent",
    "check_disturbable",
    "fgsm",
    "pgd",
    "right_when_disturbed",
]
