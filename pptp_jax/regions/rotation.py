"""By which angle a step turns the weights of each region."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from pptp_jax.regions.precision import at_least_float32
from pptp_jax.regions.region_map import RegionMap
from pptp_jax.validation import Refused


def angular_update(
    regions: RegionMap, before: PyTree, after: PyTree
) -> dict[str, Float[Array, ""]]:
    """The mean angle in radians by which the neurons of each region turned.

    A neuron is a column of a kernel: all weights that lead to one output. Behind a batch norm only
    their direction matters, so this is what a step really changes, and the effective learning rate
    of the region. In equilibrium an SGD step turns neurons by about √(2ηλ / (1 + m)), whatever
    their size, with the learning rate η, weight decay λ and momentum m.

    Pure: to be jitted, and mapped over models. Over many steps the angle grows to about π/2 and
    says no more; take parameters one step apart.

    Args:
        regions: which parameter belongs to which region.
        before: the parameters before the step. Leaves of two and more axes are kernels, whose last
            axis counts the outputs; others have no direction and are left out.
        after: the parameters behind it.

    Returns:
        The mean over the neurons of each region; NaN for a region without kernels. A neuron of
        zeros has turned by 0 if it stays so, and by π/2 if not.

    Raises:
        ValueError: if the trees differ in structure or shapes.

    References:
        Kosson, Messmer and Jaggi, "Rotational Equilibrium: How Weight Decay Balances Learning
        Across Neural Networks", ICML 2024, https://arxiv.org/abs/2305.17212

        Wan et al., "Spherical Motion Dynamics", NeurIPS 2021, https://arxiv.org/abs/2006.08419

    Examples:
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> before = {"stem": jnp.array([[1.0, 1.0], [0.0, 0.0]]), "head": jnp.eye(2)}
        >>> after = {"stem": jnp.array([[1.0, 3.0], [1.0, 0.0]]), "head": 2 * jnp.eye(2)}
        >>> {name: round(float(a), 4) for name, a in angular_update(regions, before, after).items()}
        {'protect': 0.3927, 'general': 0.0}
    """
    _check(before, after)
    labels = jax.tree.leaves(regions.labels(before))
    found: dict[str, list[Array]] = {label: [] for label in regions.names}
    pairs = zip(labels, jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    for label, old, new in pairs:
        if jnp.ndim(old) >= 2:
            found[label].append(_angles(jnp.asarray(old), jnp.asarray(new)))
    return {
        label: jnp.concatenate(angles).mean() if angles else jnp.array(jnp.nan)
        for label, angles in found.items()
    }


def _angles(
    old: Float[Array, "... outputs"], new: Float[Array, "... outputs"]
) -> Float[Array, " outputs"]:
    """The angle between the columns of two kernels."""
    one, other = _directions(old), _directions(new)
    # Exact for small angles, where the arc cosine of a product loses all digits in float32.
    apart = jnp.linalg.norm(one - other, axis=0)
    together = jnp.linalg.norm(one + other, axis=0)
    return 2 * jnp.arctan2(apart, together)


def _directions(kernel: Float[Array, "... outputs"]) -> Float[Array, "inputs outputs"]:
    columns = kernel.reshape(-1, kernel.shape[-1]).astype(at_least_float32(kernel.dtype))
    norms = jnp.linalg.norm(columns, axis=0, keepdims=True)
    return columns / jnp.where(norms == 0, 1, norms)


def _check(before: Any, after: Any) -> None:
    shapes = [jax.tree.map(jnp.shape, tree) for tree in (before, after)]
    if shapes[0] != shapes[1]:
        raise Refused(
            "before and after must be parameters of one network, of the same leaves and shapes; "
            f"got {shapes[0]!s:.200} and {shapes[1]!s:.200}"
        )
