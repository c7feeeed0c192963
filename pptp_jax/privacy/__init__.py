"""Differential privacy, said truthfully: what a run did, and the ε that follows or does not."""

from pptp_jax.privacy.accounting import Guarantee, epsilon
from pptp_jax.privacy.gaussian import gaussian_delta, gaussian_epsilon
from pptp_jax.privacy.ledger import Ledger
from pptp_jax.privacy.sampling import PoissonSampling, ShuffledBatches
from pptp_jax.privacy.selection import RandomTrials, private_selection, selected_rdp

__all__ = [
    "Guarantee",
    "Ledger",
    "PoissonSampling",
    "RandomTrials",
    "ShuffledBatches",
    "epsilon",
    "gaussian_delta",
    "gaussian_epsilon",
    "private_selection",
    "selected_rdp",
]
