"""Optax transforms that act on regions; they need jax, optax and `pptp_jax.regions` alone."""

from pptp_jax.transforms.applying import apply_to_region
from pptp_jax.transforms.clipped_grad import AuxiliaryOutput, clipped_grad
from pptp_jax.transforms.clipping import clip_region_norm
from pptp_jax.transforms.freezing import freeze_region
from pptp_jax.transforms.masking import mask_region, mask_region_blocks
from pptp_jax.transforms.masking_top import mask_region_top
from pptp_jax.transforms.noise import AddRegionNoiseState, add_region_noise
from pptp_jax.transforms.private_aggregation import private_region_aggregation, private_region_noise
from pptp_jax.transforms.protecting import pptp
from pptp_jax.transforms.region_clip import RegionClip
from pptp_jax.transforms.rewinding import rewind_region, rewind_region_state
from pptp_jax.transforms.scaling import ScaleRegionState, scale_region

__all__ = [
    "AddRegionNoiseState",
    "AuxiliaryOutput",
    "RegionClip",
    "ScaleRegionState",
    "add_region_noise",
    "apply_to_region",
    "clip_region_norm",
    "clipped_grad",
    "freeze_region",
    "mask_region",
    "mask_region_blocks",
    "mask_region_top",
    "pptp",
    "private_region_aggregation",
    "private_region_noise",
    "rewind_region",
    "rewind_region_state",
    "scale_region",
]
