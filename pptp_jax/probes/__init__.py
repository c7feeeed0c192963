"""Signals that are taken with a model at hand, beyond its answers; white-box ones among them."""

from pptp_jax.probes.feature_margins import feature_margins

__all__ = ["feature_margins"]
