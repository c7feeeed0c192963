"""Metrics of membership attacks: ROC, rates and intervals; NumPy, float64.

Scores of several targets are pooled into one ROC, and the intervals are those of a bootstrap that
resamples targets and examples independently of each other (both rows and columns of the score
matrix), since the scores of one target, like those of one example, hang together.
"""

from pptp_jax.metrics.agreement import Agreement, Stability, agreement, found_members, stability
from pptp_jax.metrics.attack_metrics import (
    FPRS,
    PRIORS,
    attack_metrics,
    bootstrap_metrics,
    metric_names,
)
from pptp_jax.metrics.bootstrap import Drawn
from pptp_jax.metrics.calibrated_metrics import CalibratedRates, calibrated_metrics
from pptp_jax.metrics.clopper_pearson import Interval, clopper_pearson
from pptp_jax.metrics.combination import Combination, at_prior, combine
from pptp_jax.metrics.delong import delong
from pptp_jax.metrics.estimate import UNRESOLVED, Coarse, Estimate
from pptp_jax.metrics.guesses import GuessComparison, Guesses, compare_guesses, right_share
from pptp_jax.metrics.masked_mean import bootstrap_mean, masked_mean
from pptp_jax.metrics.normality import Normality, normality
from pptp_jax.metrics.owners import owner_membership, owner_metrics, owner_scores, partial_owners
from pptp_jax.metrics.reliability import Brier, ReliabilityBin, brier, reliability
from pptp_jax.metrics.resamples import Bootstrap
from pptp_jax.metrics.riskiest import alarm_rates, riskiest
from pptp_jax.metrics.robust_scale import robust_scale
from pptp_jax.metrics.roc import (
    Roc,
    advantage,
    auc,
    balanced_accuracy,
    ppv,
    roc,
    tnr_at_fnr,
    tpr_at_fpr,
)
from pptp_jax.metrics.roc_band import RocBand, roc_band
from pptp_jax.metrics.slices import Slice, deciles, out_confidence, sliced_metrics
from pptp_jax.metrics.thresholds import best_threshold, cut_at_fpr
from pptp_jax.metrics.token_leakage import TokenLeakage, token_leakage
from pptp_jax.metrics.used_share import UsedShare, used_share
from pptp_jax.metrics.weighted_ranks import Ranking

__all__ = [
    "FPRS",
    "PRIORS",
    "UNRESOLVED",
    "Agreement",
    "Bootstrap",
    "Brier",
    "CalibratedRates",
    "Coarse",
    "Combination",
    "Drawn",
    "Estimate",
    "GuessComparison",
    "Guesses",
    "Interval",
    "Normality",
    "Ranking",
    "ReliabilityBin",
    "Roc",
    "RocBand",
    "Slice",
    "Stability",
    "TokenLeakage",
    "UsedShare",
    "advantage",
    "agreement",
    "alarm_rates",
    "at_prior",
    "attack_metrics",
    "auc",
    "balanced_accuracy",
    "best_threshold",
    "bootstrap_mean",
    "bootstrap_metrics",
    "brier",
    "calibrated_metrics",
    "clopper_pearson",
    "combine",
    "compare_guesses",
    "cut_at_fpr",
    "deciles",
    "delong",
    "found_members",
    "masked_mean",
    "metric_names",
    "normality",
    "out_confidence",
    "owner_membership",
    "owner_metrics",
    "owner_scores",
    "partial_owners",
    "ppv",
    "reliability",
    "right_share",
    "riskiest",
    "robust_scale",
    "roc",
    "roc_band",
    "sliced_metrics",
    "stability",
    "tnr_at_fnr",
    "token_leakage",
    "tpr_at_fpr",
    "used_share",
]
