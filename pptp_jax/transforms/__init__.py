"""Optax transforms that act on regions; they need jax, optax and `pptp_jax.regions` alone."""

from pptp_jax.transforms.clipped_grad import clipped_grad
from pptp_jax.transforms.masking import apply_to_region, freeze_region
from pptp_jax.transforms.private_aggregation import private_region_aggregation, private_region_noise
from pptp_jax.transforms.region_clip import RegionClip
from pptp_jax.transforms.rewinding import rewind_region

__all__ = [
    "RegionClip",
    "apply_to_region",
    "clipped_grad",
    "freeze_region",
    "private_region_aggregation",
    "private_region_noise",
    "rewind_region",
]
