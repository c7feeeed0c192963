"""Differential privacy, said truthfully: what a run did, and the ε that follows or does not."""

from pptp_jax.privacy.accounting import Guarantee, epsilon
from pptp_jax.privacy.calibration import noise_within
from pptp_jax.privacy.collusion import IndividualContract, excess_vulnerability, worst_coalition
from pptp_jax.privacy.individual import (
    IndividualBudgets,
    individual_clipping,
    individual_sampling,
)
from pptp_jax.privacy.ledger import Ledger
from pptp_jax.privacy.noisy_descent import (
    advantage_from_kl,
    expected_jacobian_norm,
    kl_of_noisy_gd,
)
from pptp_jax.privacy.profile import PrivacyProfile, delta_divergence, privacy_profile
from pptp_jax.privacy.reconstruction import reconstruction_error, restored_input
from pptp_jax.privacy.sampling import PoissonSampling, ShuffledBatches

__all__ = [
    "Guarantee",
    "IndividualBudgets",
    "IndividualContract",
    "Ledger",
    "PoissonSampling",
    "PrivacyProfile",
    "ShuffledBatches",
    "advantage_from_kl",
    "delta_divergence",
    "epsilon",
    "excess_vulnerability",
    "expected_jacobian_norm",
    "individual_clipping",
    "individual_sampling",
    "kl_of_noisy_gd",
    "noise_within",
    "privacy_profile",
    "reconstruction_error",
    "restored_input",
    "worst_coalition",
]
