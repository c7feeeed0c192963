"""Signals that are taken with a model at hand, beyond its answers; white-box ones among them."""

from pptp_jax.probes.boundary_distance import boundary_distance
from pptp_jax.probes.feature_margins import feature_margins
from pptp_jax.probes.input_gradient_norm import input_gradient_norm
from pptp_jax.probes.noisy_correct import noisy_correct

__all__ = ["boundary_distance", "feature_margins", "input_gradient_norm", "noisy_correct"]
