"""Membership attacks: pure functions from an attacker's evidence (arrays) to scores.

Everywhere: φ is the logit-scaled confidence; `membership` (models, examples) says who trained on
what; the targets are the models under attack, all others are their shadows; a larger score means
"more likely a member".
"""

from pptp_jax.attacks.altered_text import lowercase, neighbourhood, recall
from pptp_jax.attacks.attack import Attack, attack_targets
from pptp_jax.attacks.attack_of import attack_of
from pptp_jax.attacks.base import base_offline, base_online
from pptp_jax.attacks.base_comparison import ez_mia, informia_tokens
from pptp_jax.attacks.bavaria import bavaria_t
from pptp_jax.attacks.calibration import calibration_sablayrolles, calibration_watson
from pptp_jax.attacks.denoiser_attacks import denoising_loss, gsa1, gsa2, pia, pian, secmi, sima
from pptp_jax.attacks.difference_network import secmi_nns
from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.generative import (
    gan_leaks,
    gan_leaks_calibrated,
    gan_leaks_latent,
    gan_leaks_latent_calibrated,
    logan,
    logan_black_box,
    monte_carlo,
)
from pptp_jax.attacks.informia import informia
from pptp_jax.attacks.label_only import boundary_distance, noise, oslo
from pptp_jax.attacks.lira import lira_offline, lira_online
from pptp_jax.attacks.loss import loss
from pptp_jax.attacks.metric_attacks import confidence, correctness, entropy, modified_entropy
from pptp_jax.attacks.multivariate_lira import lira_multivariate
from pptp_jax.attacks.quantile import quantile_nonmembers, quantile_regression
from pptp_jax.attacks.range_membership import range_attack, trimmed_mean
from pptp_jax.attacks.registry import ATTACKS
from pptp_jax.attacks.rmia import rmia_offline, rmia_online
from pptp_jax.attacks.shadow_network import augmentation, shadow_network
from pptp_jax.attacks.text_attacks import base_ratio, min_k, min_k_plus_plus, zlib_ratio
from pptp_jax.attacks.token_lira import lira_tokens
from pptp_jax.attacks.trajectory import (
    lira_trajectory,
    metric_sequence,
    trajectory,
)
from pptp_jax.attacks.update_alignment import update_alignment
from pptp_jax.attacks.white_box import gradient_norm, input_gradient_norm
from pptp_jax.attacks.ye import attack_p, attack_r

__all__ = [
    "ATTACKS",
    "Attack",
    "Evidence",
    "attack_of",
    "attack_p",
    "attack_r",
    "attack_targets",
    "augmentation",
    "base_offline",
    "base_online",
    "base_ratio",
    "bavaria_t",
    "boundary_distance",
    "calibration_sablayrolles",
    "calibration_watson",
    "confidence",
    "correctness",
    "denoising_loss",
    "entropy",
    "ez_mia",
    "gan_leaks",
    "gan_leaks_calibrated",
    "gan_leaks_latent",
    "gan_leaks_latent_calibrated",
    "gradient_norm",
    "gsa1",
    "gsa2",
    "informia",
    "informia_tokens",
    "input_gradient_norm",
    "lira_multivariate",
    "lira_offline",
    "lira_online",
    "lira_tokens",
    "lira_trajectory",
    "logan",
    "logan_black_box",
    "loss",
    "lowercase",
    "metric_sequence",
    "min_k",
    "min_k_plus_plus",
    "modified_entropy",
    "monte_carlo",
    "neighbourhood",
    "noise",
    "oslo",
    "pia",
    "pian",
    "quantile_nonmembers",
    "quantile_regression",
    "range_attack",
    "recall",
    "rmia_offline",
    "rmia_online",
    "secmi",
    "secmi_nns",
    "shadow_network",
    "sima",
    "trajectory",
    "trimmed_mean",
    "update_alignment",
    "zlib_ratio",
]
