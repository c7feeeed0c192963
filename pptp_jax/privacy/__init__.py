"""Differential privacy, said truthfully: what a run did, and the ε that follows or does not."""

from pptp_jax.privacy.accounting import Guarantee, epsilon
from pptp_jax.privacy.calibration import noise_within
from pptp_jax.privacy.collusion import IndividualContract, excess_vulnerability, worst_coalition
from pptp_jax.privacy.gaussian import gaussian_delta, gaussian_epsilon
from pptp_jax.privacy.individual import (
    IndividualBudgets,
    individual_clipping,
    individual_sampling,
)
from pptp_jax.privacy.ledger import Ledger
from pptp_jax.privacy.noisy_descent import (
    advantage_from_kl,
    expected_jacobian_norm,
    kl_of_langevin,
    kl_of_noisy_gd,
)
from pptp_jax.privacy.profile import PrivacyProfile, delta_divergence, privacy_profile
from pptp_jax.privacy.reconstruction import reconstruction_error, restored_input
from pptp_jax.privacy.sampling import PoissonSampling, ShuffledBatches
from pptp_jax.privacy.selection import RandomTrials, private_selection, selected_rdp

__all__ = [
    "Guarantee",
    "IndividualBudgets",
    "IndividualContract",
    "Ledger",
    "PoissonSampling",
    "PrivacyProfile",
    "RandomTrials",
    "ShuffledBatches",
    "advantage_from_kl",
    "delta_divergence",
    "epsilon",
    "excess_vulnerability",
    "expected_jacobian_norm",
    "gaussian_delta",
    "gaussian_epsilon",
    "individual_clipping",
    "individual_sampling",
    "kl_of_langevin",
    "kl_of_noisy_gd",
    "noise_within",
    "privacy_profile",
    "private_selection",
    "reconstruction_error",
    "restored_input",
    "selected_rdp",
    "worst_coalition",
]
