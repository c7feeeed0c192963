"""Optax transforms that act on regions; they need jax, optax and `pptp_jax.regions` alone."""

from pptp_jax.transforms.masking import apply_to_region, freeze_region
from pptp_jax.transforms.rewinding import rewind_region

__all__ = ["apply_to_region", "freeze_region", "rewind_region"]
