"""Releases: what a trained model tells those who ask it, at test time."""

from pptp_jax.release.order_only import OrderOnly
from pptp_jax.release.release import Release

__all__ = ["OrderOnly", "Release"]
