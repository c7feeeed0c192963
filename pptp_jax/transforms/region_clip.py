"""Per-example gradient clipping by region, and its sensitivity."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pptp_jax.regions import RegionMap, paths
from pptp_jax.regions.precision import at_least_float32
from pptp_jax.transforms.norms import along_leading_axes, scaled_norm
from pptp_jax.transforms.region_weights import RegionWeights
from pptp_jax.validation import Refused, keep_python_numbers, one_of, positive


@dataclass(frozen=True)
class RegionClip:
    r"""The rule by which per-example gradients are clipped and summed, region by region.

    Let `g_i` be the gradient of example i and `g_i[R]` its part in region R. A private region P
    gets the clipped sum `Σ_i w_i g_i[P]` with

        w_i = min(1, max_norm / ‖g_i[P]‖)    if `jointly` is false: each private region on its own,
        w_i = min(1, max_norm / ‖g_i‖)       if `jointly` is true: one weight for all regions.

    A region that is not private gets the plain sum `Σ_i g_i[R]`, or, if `jointly`, the sum with the
    joint weights; it is in the clear either way.

    With `weights`, `g_i` is weighted by region before all of this: `g_i[R] ← v_R g_i[R]`.

    One object serves the aggregation, the noise and the accounting, so that the norm that bounds an
    example and the norm that scales the noise cannot differ.

    Formal guarantees:
        The private regions' sums, taken together as one vector, change by at most `sensitivity` in
        L2 norm when any one example is added or removed (or set to zero), whatever the gradients
        are: an example whose norm is infinite or NaN contributes zero. Replacing an example changes
        them by at most twice as much. The bound holds up to floating-point rounding. Nothing is
        promised about the other regions. The clipping comes after the weights, so the bound is the
        same with any weights that do not depend on the examples.

    Attributes:
        region_map: which parameter belongs to which region.
        label: the private region, or a tuple of them.
        max_norm: the largest L2 norm that an example keeps.
        jointly: whether the norm runs over all regions or over each private region.
        weights: what the gradients are multiplied by before they are clipped; None is 1.

    Raises:
        ValueError: if a label is unknown, none is given, or the norm is not positive and finite.

    References:
        Abadi et al., "Deep Learning with Differential Privacy", CCS 2016,
        https://arxiv.org/abs/1607.00133

    Examples:
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> clip = RegionClip(regions, "protect", max_norm=5.0)
        >>> gradients = {"stem": jnp.array([[30.0, 40.0], [0.3, 0.4]]), "head": jnp.ones((2, 1))}
        >>> total = clip.sum(gradients)
        >>> print(total["stem"], total["head"])
        [3.3 4.4] [2.]
        >>> clip.sensitivity
        5.0
    """

    region_map: RegionMap
    label: str | tuple[str, ...]
    max_norm: float | jax.Array
    jointly: bool = False
    weights: RegionWeights | None = None

    def __post_init__(self) -> None:
        if not self.labels:
            raise Refused(
                "a RegionClip needs at least one private region, got none; "
                f"the map has {', '.join(self.region_map.names)}"
            )
        for label in self.labels:
            one_of(self.region_map.names, label=label)
        keep_python_numbers(self)
        positive(max_norm=self.max_norm)

    @property
    def labels(self) -> tuple[str, ...]:
        """The private regions, each once."""
        given = (self.label,) if isinstance(self.label, str) else self.label
        return tuple(dict.fromkeys(given))

    @property
    def sensitivity(self) -> float | jax.Array:
        """The most, in L2 norm, that adding or removing one example changes the private sums.

        `max_norm` if the clipping is joint or there is one private region; with K private regions
        that are clipped on their own, `max_norm · √K`.

        Examples:
            >>> regions = RegionMap.from_rules([("a", "one"), ("b", "two")])
            >>> RegionClip(regions, ("one", "two"), max_norm=1.0, jointly=True).sensitivity
            1.0
            >>> round(RegionClip(regions, ("one", "two"), max_norm=1.0).sensitivity, 3)
            1.414
        """
        return self.max_norm if self.jointly else self.max_norm * math.sqrt(len(self.labels))

    def norms(self, gradients: Any) -> jax.Array:
        """Each example's norm before clipping (examples,): over the private regions together.

        Args:
            gradients: as for `sum`. If `jointly`, the norm runs over all regions. With `weights`
                it is that of the weighted gradient.
        """
        gradients = gradients if self.weights is None else self.weights(gradients)
        labels = jax.tree.leaves(self.region_map.labels(gradients))
        counted = [
            leaf
            for leaf, own in zip(jax.tree.leaves(gradients), labels, strict=True)
            if self.jointly or own in self.labels
        ]
        return scaled_norm(counted, axes=1).value

    def sum(
        self,
        gradients: Any,
        present: jax.Array | None = None,
        relative_norms: jax.Array | None = None,
    ) -> Any:
        """The sum over the examples, with each example clipped.

        Args:
            gradients: a tree of arrays (examples, *parameter); every region of the map is in it.
            present: booleans (examples,); an example that is not present adds nothing. None counts
                all. It lets batches of varying size share one compiled program.
            relative_norms: what each example may keep, over `max_norm` (examples,): an example
                matters by at most that many times `sensitivity`. None is 1 for all.

        Returns:
            A tree of arrays (*parameter,) of at least single precision.

        Raises:
            ValueError: if a leaf has no examples' axis, the axes disagree, a leaf is not real, or
                the map does not cover the tree.
        """
        leaves, structure = jax.tree.flatten(gradients)
        labels = jax.tree.leaves(self.region_map.labels(gradients))
        examples = count_examples(gradients)
        if present is None:
            present = jnp.ones(examples, bool)
        elif present.shape != (examples,):
            raise Refused(
                f"present must have one entry an example, shape ({examples},), got {present.shape}"
            )
        if relative_norms is not None and jnp.shape(relative_norms) != (examples,):
            raise Refused(
                f"relative_norms must have one entry an example, shape ({examples},), got "
                f"{jnp.shape(relative_norms)}"
            )
        limit = self.max_norm if relative_norms is None else self.max_norm * relative_norms
        for leaf in leaves:
            if not jnp.issubdtype(leaf.dtype, jnp.floating):
                raise Refused(
                    f"gradients must be real floating-point arrays, got one of {leaf.dtype}"
                )

        if self.weights is not None:
            leaves = jax.tree.leaves(self.weights(gradients))

        def weights(label: str) -> _Weights:
            if not self.jointly and label not in self.labels:
                return _Weights(present, None, present.astype(jnp.float32))
            counted = [
                leaf
                for leaf, own in zip(leaves, labels, strict=True)
                if self.jointly or own == label
            ]
            norm = scaled_norm(counted, axes=1)
            clipping = norm.clipping(limit)
            kept = present & jnp.isfinite(norm.scaled)
            return _Weights(kept, clipping.scale, jnp.where(kept, clipping.factor, 0))

        by_label = {label: weights(label) for label in labels}
        totals = [
            _weighted_sum(leaf, by_label[own]) for leaf, own in zip(leaves, labels, strict=True)
        ]
        return jax.tree.unflatten(structure, totals)


def count_examples(tree: Any) -> int:
    """The length of the leading axis that all leaves of a tree share.

    Raises:
        ValueError: if there is no leaf, a leaf has no axis, or the leading axes differ.

    Examples:
        >>> count_examples({"x": jnp.ones((4, 3)), "y": jnp.ones(4)})
        4
    """
    shapes = {
        name: jnp.shape(x) for name, x in zip(paths(tree), jax.tree.leaves(tree), strict=True)
    }
    if len({shape[:1] for shape in shapes.values()}) != 1 or () in shapes.values():
        listed = ", ".join(f"{name or 'the leaf'}: {shape}" for name, shape in shapes.items())
        raise Refused(
            "every leaf needs the same leading axis, one entry an example; "
            f"the shapes are {listed or 'none, as the tree is empty'}"
        )
    return next(iter(shapes.values()))[0]


class _Weights(NamedTuple):
    """The factors of the examples' gradients, in turn; those of examples left out are zero."""

    kept: jax.Array
    scale: jax.Array | None
    factor: jax.Array


def _weighted_sum(leaf: jax.Array, weights: _Weights) -> jax.Array:
    # Zero times NaN is NaN: what is left out is set to zero first. A matrix product is many times
    # faster than a sum over the leading axis; with the rounding that accelerators do by default
    # it would break the bound.
    wide = leaf.astype(at_least_float32(leaf.dtype))
    if weights.scale is not None:
        wide = wide * along_leading_axes(weights.scale.astype(wide.dtype), wide)
    wide = jnp.where(along_leading_axes(weights.kept, wide), wide, jnp.zeros((), wide.dtype))
    return jnp.tensordot(weights.factor.astype(wide.dtype), wide, axes=1, precision="highest")
