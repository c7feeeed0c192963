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
from pptp_jax.privacy.profile import PrivacyProfile, delta_divergence, privacy_profile
from pptp_jax.privacy.sampling import PoissonSampling, ShuffledBatches

__all__ = [
    "Guarantee",
    "IndividualBudgets",
    "IndividualContract",
    "Ledger",
    "PoissonSampling",
    "PrivacyProfile",
    "ShuffledBatches",
    "delta_divergence",
    "epsilon",
    "excess_vulnerability",
    "individual_clipping",
    "individual_sampling",
    "noise_within",
    "privacy_profile",
    "worst_coalition",
]
