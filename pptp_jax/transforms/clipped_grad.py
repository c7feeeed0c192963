"""The clipped sum of per-example gradients in memory that does not grow with the batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pptp_jax.transforms.region_clip import RegionClip, count_examples
from pptp_jax.validation import Refused, at_least


class AuxiliaryOutput(NamedTuple):
    """The returns of `clipped_grad` besides the gradients: an entry an example, padding included.

    None of it is clipped or noised: it is as private as the examples are.

    Attributes:
        values: the losses (examples,); None unless `return_values`.
        grad_norms: the norms before clipping (examples,); None unless `return_grad_norms`.
        aux: what the loss returns besides its value, with a leading axis of examples; None unless
            `has_aux`.

    Examples:
        >>> AuxiliaryOutput(values=jnp.ones(2)).grad_norms is None
        True
    """

    values: jax.Array | None = None
    grad_norms: jax.Array | None = None
    aux: Any = None


def clipped_grad(
    loss: Callable[[Any, Any], Any],
    clip: RegionClip,
    *,
    has_aux: bool = False,
    return_values: bool = False,
    return_grad_norms: bool = False,
    microbatch_size: int | None = None,
) -> Callable[..., Any]:
    """The function that sums the clipped per-example gradients of a loss over a batch.

    The batch is cut into microbatches, which a `jax.lax.scan` works through one after another: the
    per-example gradients of one microbatch are in memory at a time, and their sum.

    Inside `jax.shard_map` with the examples split over a mesh axis it returns each shard's own sum:
    add the shards up with `jax.lax.psum` before the noise.

    Formal guarantees:
        The result is `clip.sum` of the per-example gradients, with the same sensitivity
        `clip.sensitivity`, provided that `loss` sees one example at a time. It does: it is called
        without an examples' axis.

    Args:
        loss: `loss(params, example) -> scalar`, for one example: `batch` without its leading axis.
        clip: the regions and the norm.
        has_aux: whether the loss returns `(scalar, aux)`.
        return_values: whether to return each example's loss as well.
        return_grad_norms: whether to return each example's `clip.norms` as well.
        microbatch_size: the examples whose gradients are in memory at a time; None takes all.

    Returns:
        `total(params, batch, present=None, relative_norms=None) -> gradients`. `batch` is a pytree
        with a leading axis of examples on every leaf (a leaf may hold one typed key an example);
        `present` and `relative_norms` are as for `RegionClip.sum`. The sum has the structure of
        `params` and at least single precision; `private_region_noise` makes an update of it. Where
        anything else is requested, it returns `(gradients, AuxiliaryOutput)`, all from the same
        pass.

    Raises:
        ValueError: if the microbatch size is not a positive integer; from `total`, if the
            leading axes disagree or the batch is no multiple of the microbatch.

    References:
        Chua et al., "Scalable DP-SGD: Shuffling vs. Poisson Subsampling", NeurIPS 2024,
        https://arxiv.org/abs/2411.04205, on padding and masks for batches of varying size.

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([(".*", "protect")])
        >>> def loss(params, example):
        ...     return params["w"] * example
        >>> clip = RegionClip(regions, "protect", max_norm=2.0)
        >>> total = clipped_grad(loss, clip, microbatch_size=2)
        >>> total({"w": 1.0}, jnp.array([1.0, 5.0, -1.0, 0.5]))
        {'w': Array(2.5, dtype=float32)}
        >>> total = clipped_grad(loss, clip, return_values=True, return_grad_norms=True)
        >>> _, more = total({"w": 2.0}, jnp.array([1.0, 5.0]))
        >>> print(more.values, more.grad_norms)
        [ 2. 10.] [1. 5.]
    """
    if microbatch_size is not None:
        at_least(1, microbatch_size=microbatch_size)
    per_example = jax.vmap(jax.value_and_grad(loss, has_aux=has_aux), in_axes=(None, 0))
    more = has_aux or return_values or return_grad_norms

    def total(
        params: Any,
        batch: Any,
        present: jax.Array | None = None,
        relative_norms: jax.Array | None = None,
    ) -> Any:
        examples = count_examples(batch)
        size = examples if microbatch_size is None else microbatch_size
        if examples == 0 or examples % size:
            raise Refused(
                f"a batch must be a positive multiple of the microbatch, {size}; it has "
                f"{examples} examples: pad it and mark the padding in `present`"
            )
        if present is None:
            present = jnp.ones(examples, bool)
        # A mesh axis over which the batch is split must split the parameters as well: otherwise
        # `jax.grad` would add up the gradients of several shards before they are clipped. Adding
        # an empty sum over the batch does that, and is compiled to nothing.
        zero = _empty_sum(batch)
        params = jax.tree.map(lambda p: p + zero.astype(jnp.result_type(p)), params)

        def one(microbatch: tuple[Any, ...]) -> tuple[Any, AuxiliaryOutput]:
            inputs, *which = microbatch
            returned, gradients = per_example(params, inputs)
            values, aux = returned if has_aux else (returned, None)
            norms = clip.norms(gradients) if return_grad_norms else None
            return clip.sum(gradients, *which), AuxiliaryOutput(
                values if return_values else None, norms, aux
            )

        if size == examples:
            gradients, auxiliary = one((batch, present, relative_norms))
            return (gradients, auxiliary) if more else gradients
        microbatches = jax.tree.map(
            lambda x: x.reshape(examples // size, size, *x.shape[1:]),
            (batch, present, relative_norms),
        )
        shapes, _ = jax.eval_shape(one, jax.tree.map(lambda x: x[0], microbatches))
        start = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype) + zero.astype(s.dtype), shapes)

        def add(running: Any, microbatch: Any) -> tuple[Any, AuxiliaryOutput]:
            gradients, auxiliary = one(microbatch)
            return jax.tree.map(jnp.add, running, gradients), auxiliary

        gradients, parts = jax.lax.scan(add, start, microbatches)
        auxiliary = jax.tree.map(lambda x: x.reshape(examples, *x.shape[2:]), parts)
        return (gradients, auxiliary) if more else gradients

    return total


def _empty_sum(batch: Any) -> jax.Array:
    leaves = [
        jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
        for x in jax.tree.leaves(batch)
    ]
    return jnp.sum(jnp.stack([jnp.sum(x[:0].astype(jnp.float32)) for x in leaves]))
