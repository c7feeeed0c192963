"""Regions of single weights."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from pptp_jax.pytree import pytree
from pptp_jax.regions.blocks import GENERAL
from pptp_jax.regions.paths import align, paths
from pptp_jax.regions.sizes import table
from pptp_jax.validation import Refused, one_of


@pytree
@dataclass(frozen=True, eq=False)
class WeightMap:
    """Boolean masks that give every weight of a tree its region.

    Where a `RegionMap` is static, a weight map is data: a pytree that can be computed inside a
    training, differ from model to model of a fleet, and be passed to a compiled function.

    Attributes:
        masks: for each region a tree of boolean arrays, of the parameters' structure and shapes.
        rest: the region of the weights that no mask claims.

    Examples:
        >>> mask = {"w": jnp.array([True, False, False])}
        >>> weights = WeightMap.from_masks({"protect": mask})
        >>> print(weights.mask({"w": jnp.ones(3)}, "general")["w"])
        [False  True  True]
    """

    masks: dict[str, PyTree]
    rest: str = field(metadata={"static": True}, default=GENERAL)

    @classmethod
    def from_masks(cls, masks: Mapping[str, PyTree], rest: str = GENERAL) -> "WeightMap":
        """Builds a map from one mask a region.

        Args:
            masks: for each region a tree of boolean arrays; `top_weights` makes one of scores.
            rest: the region of the weights that no mask claims.

        Raises:
            ValueError: if there is no mask, a leaf is not boolean, masks differ in structure or
                shape, or two of them claim the same weight. Whether traced masks claim the same
                weight cannot be seen; the first of them then has it.
        """
        if not isinstance(masks, Mapping):
            raise Refused(f"masks must be trees by region, got {type(masks).__name__}")
        if not masks or rest in masks:
            raise Refused(
                f"a weight map needs a mask for some regions but not for the rest, {rest!r}; "
                f"got masks for {', '.join(map(repr, masks)) or 'none'}"
            )
        first = next(iter(masks))
        for label, mask in masks.items():
            if not isinstance(label, str):
                raise Refused(f"a region's label must be a name such as 'protect', got {label!r}")
            for path, leaf in zip(paths(mask), jax.tree.leaves(mask), strict=True):
                kind = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
                if kind.kind != "b":
                    raise Refused(f"the mask of {label} must be boolean, got {kind} at {path}")
            align(masks[first], **{f"the mask of {label}": mask})
            align(mask, **{f"the mask of {first}": masks[first]})
        _refuse_overlap(masks)
        return cls(dict(masks), rest)

    @property
    def names(self) -> tuple[str, ...]:
        """The labels: those with a mask, then the rest."""
        return (*self.masks, self.rest)

    def mask(self, tree: PyTree, *labels: str) -> PyTree:
        """The tree of `tree` with a boolean array for each leaf: True where a weight is chosen.

        Args:
            tree: the parameters, or a tree of their structure.
            *labels: the regions.

        Raises:
            ValueError: if a label is unknown, or a mask does not fit the tree.
        """
        for label in labels:
            one_of(self.names, region=label)
        claimed = jax.tree.map(lambda leaf: jnp.zeros(np.shape(leaf), bool), tree)
        chosen = claimed
        for label, mask in self.masks.items():
            own = align(tree, **{f"the mask of {label}": mask})
            if label in labels:
                chosen = jax.tree.map(lambda a, b, c: a | (b & ~c), chosen, own, claimed)
            claimed = jax.tree.map(jnp.logical_or, claimed, own)
        if self.rest in labels:
            chosen = jax.tree.map(lambda a, b: a | ~b, chosen, claimed)
        return chosen

    def describe(self, params: PyTree) -> str:
        """A table of the regions: parameters, share of all parameters, bytes.

        Args:
            params: the parameters.
        """
        return table(self, params)

    def to_json(self) -> dict[str, Any]:
        """The map as plain data: for each region the number of its weights and a digest.

        The masks themselves do not fit into a record; store them as a checkpoint, which they can
        be as any pytree, and compare the record when they come back.

        Raises:
            ValueError: if a mask is traced, and so has no values yet.
        """
        regions = {}
        for label, mask in self.masks.items():
            digest, weights = hashlib.sha256(), 0
            for path, leaf in zip(paths(mask), jax.tree.leaves(mask), strict=True):
                if isinstance(leaf, jax.core.Tracer):
                    raise Refused(
                        f"the mask of {label} is traced at {path} and has no values to write down; "
                        "call to_json outside of jit and vmap"
                    )
                values = np.asarray(leaf)
                digest.update(f"{path}{values.shape}".encode() + np.packbits(values).tobytes())
                weights += int(values.sum())
            regions[label] = {"weights": weights, "sha256": digest.hexdigest()}
        return {"kind": "weights", "masks": regions, "rest": self.rest}


def _refuse_overlap(masks: Mapping[str, PyTree]) -> None:
    owners: dict[str, tuple[np.ndarray, str]] = {}
    for label, mask in masks.items():
        for path, leaf in zip(paths(mask), jax.tree.leaves(mask), strict=True):
            if isinstance(leaf, jax.core.Tracer):
                continue
            own = np.asarray(leaf)
            taken, other = owners.get(path, (np.zeros_like(own), ""))
            if both := int((taken & own).sum()):
                raise Refused(
                    f"the masks of {other} and {label} both claim {both} weights of {path}; "
                    "each weight is in exactly one region"
                )
            owners[path] = (taken | own, f"{other}, {label}" if other else label)
