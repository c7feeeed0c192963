"""Differential privacy, said truthfully: what a run did, and the ε that follows or does not."""

from pptp_jax.privacy.accounting import Guarantee, epsilon
from pptp_jax.privacy.ledger import Ledger
from pptp_jax.privacy.sampling import PoissonSampling, ShuffledBatches

__all__ = ["Guarantee", "Ledger", "PoissonSampling", "ShuffledBatches", "epsilon"]
