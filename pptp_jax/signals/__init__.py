"""Signals: the outputs of trained models that attackers read, their queries and their storage."""

from pptp_jax.signals.altered_text import lowered_signal, neighbour_signal
from pptp_jax.signals.base_tokens import BASE_DIVERGENCE, BASE_TOKEN_LOG_PROB
from pptp_jax.signals.boundary_distance import boundary_distance, boundary_signal
from pptp_jax.signals.collect import collect, utility
from pptp_jax.signals.denoiser_probes import (
    PIA_ERROR,
    PIAN_ERROR,
    SECMI_DIFFERENCE,
    SECMI_ERROR,
    SIMA_NORM,
)
from pptp_jax.signals.example_gradients import example_gradients
from pptp_jax.signals.feature_margins import FEATURE_MARGINS, feature_margins
from pptp_jax.signals.gradient_norms import GRADIENT_NORMS, gradient_norms
from pptp_jax.signals.input_gradient_norm import INPUT_GRADIENT_NORM, input_gradient_norm
from pptp_jax.signals.input_susceptibility import flipped_norms, input_susceptibility
from pptp_jax.signals.latent_distance import latent_signal
from pptp_jax.signals.layout import Layout, Part
from pptp_jax.signals.noisy_correct import noise_signal, noisy_correct
from pptp_jax.signals.prefixed_text import UNPREFIXED, prefixed_signals
from pptp_jax.signals.queries import FLIP, IDENTITY, Query, check_queries, shift
from pptp_jax.signals.request import SignalRequest
from pptp_jax.signals.samples import (
    sample_distances_signal,
    sample_labels,
    samples,
    samples_signal,
    smallest_distances,
)
from pptp_jax.signals.store import SignalStore
from pptp_jax.signals.surrogate_score import SURROGATE_SCORE
from pptp_jax.signals.text_signals import BASE_LOG_PROB, COMPRESSED_LENGTH, compressed_length
from pptp_jax.signals.timestep_gradients import TIMESTEP_GRADIENTS
from pptp_jax.signals.trajectories import (
    ANSWER_METRICS,
    DISTILLED_TRAJECTORY,
    METRIC_TRAJECTORY,
    TRAJECTORIES,
    TRAJECTORY,
    answer_metrics,
)
from pptp_jax.signals.transferred_inputs import TRANSFERRED_CORRECT, Transfer, transferred_inputs

__all__ = [
    "ANSWER_METRICS",
    "BASE_DIVERGENCE",
    "BASE_LOG_PROB",
    "BASE_TOKEN_LOG_PROB",
    "COMPRESSED_LENGTH",
    "DISTILLED_TRAJECTORY",
    "FEATURE_MARGINS",
    "FLIP",
    "GRADIENT_NORMS",
    "IDENTITY",
    "INPUT_GRADIENT_NORM",
    "METRIC_TRAJECTORY",
    "PIAN_ERROR",
    "PIA_ERROR",
    "SECMI_DIFFERENCE",
    "SECMI_ERROR",
    "SIMA_NORM",
    "SURROGATE_SCORE",
    "TIMESTEP_GRADIENTS",
    "TRAJECTORIES",
    "TRAJECTORY",
    "TRANSFERRED_CORRECT",
    "UNPREFIXED",
    "Layout",
    "Part",
    "Query",
    "SignalRequest",
    "SignalStore",
    "Transfer",
    "answer_metrics",
    "boundary_distance",
    "boundary_signal",
    "check_queries",
    "collect",
    "compressed_length",
    "example_gradients",
    "feature_margins",
    "flipped_norms",
    "gradient_norms",
    "input_gradient_norm",
    "input_susceptibility",
    "latent_signal",
    "lowered_signal",
    "neighbour_signal",
    "noise_signal",
    "noisy_correct",
    "prefixed_signals",
    "sample_distances_signal",
    "sample_labels",
    "samples",
    "samples_signal",
    "shift",
    "smallest_distances",
    "transferred_inputs",
    "utility",
]
