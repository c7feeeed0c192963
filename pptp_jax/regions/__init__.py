"""Regions: named sets of parameters or weights, given by ordered rules or by masks.

A path is the names on the way to a leaf, joined by `/` (`stem/kernel`). A `RegionMap` gives every
leaf of a tree its region by rules on paths; a `WeightMap` gives every single weight its region by
boolean masks. Transforms take either.
"""

from pptp_jax.regions.blocks import (
    GENERAL,
    PROTECT,
    Region,
    asks_for_auto,
    by_depth,
    protect,
    region_name,
)
from pptp_jax.regions.channels import top_channels
from pptp_jax.regions.equal_blocks import equal_blocks
from pptp_jax.regions.paths import align, paths
from pptp_jax.regions.record import check_record
from pptp_jax.regions.region_map import RegionMap
from pptp_jax.regions.regions import Regions
from pptp_jax.regions.rotation import angular_update
from pptp_jax.regions.rules import Block, glob
from pptp_jax.regions.sizes import Size, sizes
from pptp_jax.regions.top_weights import top_weights
from pptp_jax.regions.vectors import region_vectors
from pptp_jax.regions.weight_map import WeightMap
from pptp_jax.regions.words import PARTS, PRESETS

__all__ = [
    "GENERAL",
    "PARTS",
    "PRESETS",
    "PROTECT",
    "Block",
    "Region",
    "RegionMap",
    "Regions",
    "Size",
    "WeightMap",
    "align",
    "angular_update",
    "asks_for_auto",
    "by_depth",
    "check_record",
    "equal_blocks",
    "glob",
    "paths",
    "protect",
    "region_name",
    "region_vectors",
    "sizes",
    "top_channels",
    "top_weights",
]
