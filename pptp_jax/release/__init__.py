"""Releases of models, statistics and graphs: their noise, and the membership risk."""

from pptp_jax.release.bayes_response import (
    AttackerTraining,
    BayesResponse,
    bayes_response,
    drawn_answers,
)
from pptp_jax.release.communities import block_model, communities, misclassification
from pptp_jax.release.edges import debias_edges, edge_advantage, edge_epsilon, flip_edges
from pptp_jax.release.frequencies import (
    frequency_likelihood_ratio,
    membership_from_frequencies,
    risk_of_likelihood_ratio,
)
from pptp_jax.release.game import Game, TrainedRelease, train_release
from pptp_jax.release.gaussian_noise import optimal_gaussian_noise
from pptp_jax.release.generators import GaussianNoise, NetworkNoise
from pptp_jax.release.means import (
    MembershipRisk,
    membership_from_means,
    risk_at,
    risk_of_means,
)
from pptp_jax.release.order_only import OrderOnly
from pptp_jax.release.rate_distortion import RateDistortion, blahut_arimoto
from pptp_jax.release.release import Release

__all__ = [
    "AttackerTraining",
    "BayesResponse",
    "Game",
    "GaussianNoise",
    "MembershipRisk",
    "NetworkNoise",
    "OrderOnly",
    "RateDistortion",
    "Release",
    "TrainedRelease",
    "bayes_response",
    "blahut_arimoto",
    "block_model",
    "communities",
    "debias_edges",
    "drawn_answers",
    "edge_advantage",
    "edge_epsilon",
    "flip_edges",
    "frequency_likelihood_ratio",
    "membership_from_frequencies",
    "membership_from_means",
    "misclassification",
    "optimal_gaussian_noise",
    "risk_at",
    "risk_of_likelihood_ratio",
    "risk_of_means",
    "train_release",
]
