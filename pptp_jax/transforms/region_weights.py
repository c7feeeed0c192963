"""Weights for the regions of a gradient, to be applied before it is clipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pptp_jax.regions import RegionMap
from pptp_jax.regions.precision import at_least_float32
from pptp_jax.validation import Refused, one_of, positive


@dataclass(frozen=True)
class RegionWeights:
    """The factor of each region's part of a gradient: g[R] ← v_R · g[R].

    In `RegionClip(..., weights=...)` it comes before the clipping. The region with the smaller
    weight then has a smaller share of what an example may change, under the same noise. If every
    example is clipped, only the ratios of the weights matter.

    Attributes:
        region_map: which parameter belongs to which region; it may differ from that of the clip.
        weights: v_R by region, above 0; a region without one has 1. They may be traced.

    Raises:
        ValueError: if there is no weight, a region is unknown, or a weight is not positive.

    Examples:
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> halved = RegionWeights(regions, {"protect": 0.5})
        >>> print(halved({"stem": jnp.ones(2), "head": jnp.ones(1)}))
        {'head': Array([1.], dtype=float32), 'stem': Array([0.5, 0.5], dtype=float32)}
    """

    region_map: RegionMap
    weights: Mapping[str, float | jax.Array]

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping) or not self.weights:
            raise Refused(f"weights must be numbers by region, got {self.weights!r:.80}")
        for label, weight in self.weights.items():
            one_of(self.region_map.names, region=label)
            positive(**{f"the weight of {label}": weight})

    def __call__(self, gradients: Any) -> Any:
        """The gradients with each region weighted, in single precision at least.

        Args:
            gradients: a tree of real arrays that the map covers, with any leading axes.
        """

        def one(label: str, leaf: jax.Array) -> jax.Array:
            if label not in self.weights:
                return leaf
            dtype = at_least_float32(leaf.dtype)
            return leaf.astype(dtype) * jnp.asarray(self.weights[label], dtype)

        return jax.tree.map(one, self.region_map.labels(gradients), gradients)
