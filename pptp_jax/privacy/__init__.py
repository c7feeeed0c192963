"""Differential privacy: a ledger of what a run did, and its ε, or the reason why it has none."""

from pptp_jax.privacy.accounting import Guarantee, epsilon
from pptp_jax.privacy.bayesian_loss import (
    BayesianLoss,
    bayesian_privacy_loss,
    gaussian_privacy_loss,
    loss_of_likelihoods,
    mean_privacy_loss,
    most_privacy_loss,
    regional_privacy_losses,
)
from pptp_jax.privacy.calibration import noise_within
from pptp_jax.privacy.collusion import IndividualContract, excess_vulnerability, worst_coalition
from pptp_jax.privacy.gaussian import gaussian_delta, gaussian_epsilon
from pptp_jax.privacy.gradient_inversion import Restored, restore_by_descent, total_variation
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
from pptp_jax.privacy.stability import (
    noisy_score_advantage,
    replace_one_advantage,
    replace_one_divergence,
)

__all__ = [
    "BayesianLoss",
    "Guarantee",
    "IndividualBudgets",
    "IndividualContract",
    "Ledger",
    "PoissonSampling",
    "PrivacyProfile",
    "RandomTrials",
    "Restored",
    "ShuffledBatches",
    "advantage_from_kl",
    "bayesian_privacy_loss",
    "delta_divergence",
    "epsilon",
    "excess_vulnerability",
    "expected_jacobian_norm",
    "gaussian_delta",
    "gaussian_epsilon",
    "gaussian_privacy_loss",
    "individual_clipping",
    "individual_sampling",
    "kl_of_langevin",
    "kl_of_noisy_gd",
    "loss_of_likelihoods",
    "mean_privacy_loss",
    "most_privacy_loss",
    "noise_within",
    "noisy_score_advantage",
    "privacy_profile",
    "private_selection",
    "reconstruction_error",
    "regional_privacy_losses",
    "replace_one_advantage",
    "replace_one_divergence",
    "restore_by_descent",
    "restored_input",
    "selected_rdp",
    "total_variation",
    "worst_coalition",
]
