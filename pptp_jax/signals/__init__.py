"""Signals: what an attacker sees of trained models, by which queries, and how it is kept."""

from pptp_jax.signals.collect import Signals, collect
from pptp_jax.signals.confidence import logit_scaled_confidence
from pptp_jax.signals.layout import Layout, Part
from pptp_jax.signals.queries import FLIP, IDENTITY, Query, check_queries, shift
from pptp_jax.signals.store import SignalStore

__all__ = [
    "FLIP",
    "IDENTITY",
    "Layout",
    "Part",
    "Query",
    "SignalStore",
    "Signals",
    "check_queries",
    "collect",
    "logit_scaled_confidence",
    "shift",
]
