"""Signals: what an attacker sees of a trained model, by which queries."""

from pptp_jax.signals.collect import Signals, collect
from pptp_jax.signals.confidence import logit_scaled_confidence
from pptp_jax.signals.queries import FLIP, IDENTITY, Query, check_queries, shift

__all__ = [
    "FLIP",
    "IDENTITY",
    "Query",
    "Signals",
    "check_queries",
    "collect",
    "logit_scaled_confidence",
    "shift",
]
