"""Differential privacy, said truthfully: what a run did, and the ε that follows or does not."""

from pptp_jax.privacy.accounting import Guarantee, epsilon
from pptp_jax.privacy.collusion import (
    Coalition,
    Excess,
    IndividualContract,
    Verdict,
    excess_vulnerability,
    worst_coalition,
)
from pptp_jax.privacy.gaussian import gaussian_delta, gaussian_epsilon
from pptp_jax.privacy.individual import (
    IndividualBudgets,
    individual_clipping,
    individual_sampling,
    noise_within,
)
from pptp_jax.privacy.ledger import Ledger
from pptp_jax.privacy.profile import PrivacyProfile, delta_divergence, privacy_profile
from pptp_jax.privacy.sampling import PoissonSampling, ShuffledBatches
from pptp_jax.privacy.selection import RandomTrials, private_selection, selected_rdp

__all__ = [
    "Coalition",
    "Excess",
    "Guarantee",
    "IndividualBudgets",
    "IndividualContract",
    "Ledger",
    "PoissonSampling",
    "PrivacyProfile",
    "RandomTrials",
    "ShuffledBatches",
    "Verdict",
    "delta_divergence",
    "epsilon",
    "excess_vulnerability",
    "gaussian_delta",
    "gaussian_epsilon",
    "individual_clipping",
    "individual_sampling",
    "noise_within",
    "privacy_profile",
    "private_selection",
    "selected_rdp",
    "worst_coalition",
]
