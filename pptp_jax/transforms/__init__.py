"""Optax transforms on regions; they need jax, optax, jaxtyping and `pptp_jax.regions` alone."""

from pptp_jax.transforms.add_noise import AddRegionNoiseState, add_region_noise
from pptp_jax.transforms.apply import apply_to_region
from pptp_jax.transforms.chain import chain
from pptp_jax.transforms.clip import clip_region_norm
from pptp_jax.transforms.clipped_grad import AuxiliaryOutput, clipped_grad
from pptp_jax.transforms.decay import decay_region
from pptp_jax.transforms.drop import drop_region_blocks, drop_region_updates
from pptp_jax.transforms.drop_top import drop_region_top
from pptp_jax.transforms.freeze import freeze_region
from pptp_jax.transforms.private_aggregation import private_region_aggregation, private_region_noise
from pptp_jax.transforms.protect import pptp
from pptp_jax.transforms.region_clip import RegionClip
from pptp_jax.transforms.region_weights import RegionWeights
from pptp_jax.transforms.rewind import rewind_region, rewind_region_state
from pptp_jax.transforms.scale import scale_region

__all__ = [
    "AddRegionNoiseState",
    "AuxiliaryOutput",
    "RegionClip",
    "RegionWeights",
    "add_region_noise",
    "apply_to_region",
    "chain",
    "clip_region_norm",
    "clipped_grad",
    "decay_region",
    "drop_region_blocks",
    "drop_region_top",
    "drop_region_updates",
    "freeze_region",
    "pptp",
    "private_region_aggregation",
    "private_region_noise",
    "rewind_region",
    "rewind_region_state",
    "scale_region",
]
