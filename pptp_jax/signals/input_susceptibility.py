"""The effect of each input attribute on an example's gradient norm: privacy loss by input."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.models.blocks import block_numbers
from pptp_jax.signals.each_example import over_examples
from pptp_jax.signals.request import negative_log_prob
from pptp_jax.transforms.norms import scaled_norm
from pptp_jax.validation import Refused, given, one_of, positive

ATTRIBUTIONS = ("gradient", "input_times_gradient", "integrated")
_AT_ONCE = 64  # examples
_PARTS = 64  # of the way from a baseline; the integrand is taken in the middle of each


class Susceptibility(NamedTuple):
    """The effects of an example's attributes on the norm of its gradient.

    Attributes:
        values: by attribute.
        norms: ‖g‖, the norm itself, before any clipping.
        clipped: where the norm is clipped, so that no attribute moves it.
    """

    values: Float[Array, "models rows ..."]
    norms: Float[Array, "models rows"]
    clipped: Bool[Array, "models rows"]


def input_susceptibility(
    model: Model,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    *,
    attribution: str = "gradient",
    max_norm: float | None = None,
    blocks: tuple[str, ...] | None = None,
    baseline: Any = None,
) -> Susceptibility:
    r"""The sensitivity of the norm of each example's gradient to its inputs, in eval mode.

    With g the gradient of the loss with respect to the parameters, a step of DP-SGD costs an
    example \(\alpha \|g\|^2 / 2\sigma^2 C^2\) in Rényi divergence. Its susceptibility to an input
    is \(\partial \|g\| / \partial x\): our reading of the abstract of the paper, whose formula we
    have not seen. It is local: no guarantee, and nothing of a jump from 0 to 1 (`flipped_norms`).

    `gradient` is that derivative. `input_times_gradient` multiplies it by the input. `integrated`
    integrates it on the way from a baseline, in 64 parts, and multiplies by the difference of the
    inputs: its sum over all inputs is nearly the difference of the two norms.

    Args:
        model: the model, whose inputs are amounts.
        fleet: the variables of some models, stacked.
        data: the examples.
        rows: the examples that are looked at.
        attribution: how attributes share the norm.
        max_norm: C, the norm that gradients are clipped to: an example whose norm is larger has a
            susceptibility of 0 (`integrated`: on that part of the way). None clips nothing.
        blocks: the names of the blocks whose parameters count; None counts all.
        baseline: inputs of one example, where `integrated` begins; None is zeros.

    Raises:
        ValueError: if an argument is unknown or out of range, a block is no block of the model, or
            inputs are integers.

    References:
        Mueller et al., "How Do Input Attributes Impact the Privacy Loss in Differential Privacy?",
        2022, https://arxiv.org/abs/2211.10173

    Examples:
        >>> import numpy as np
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import train_fleet, undefended
        >>> data, model = Arrays.of(Digits().load()), mlp([8], num_classes=10)
        >>> [fleet] = train_fleet(model, undefended(1), data, np.arange(64)[None])
        >>> found = input_susceptibility(model, fleet.variables, data, jnp.arange(3))
        >>> found.values.shape == (1, 3, *data.x.shape[1:])
        True
    """
    one_of(ATTRIBUTIONS, attribution=attribution)
    positive(**given(max_norm=max_norm))
    names = [block.name for block in model.blocks]
    for name in blocks or ():
        one_of(names, block=name)
    if not jnp.issubdtype(data.inputs(rows[:1]).dtype, jnp.floating):
        raise Refused("susceptibility is a derivative, and these inputs are integers")
    shape = data.inputs(rows[:1]).shape[1:]
    start = jnp.zeros(shape) if baseline is None else jnp.asarray(baseline, jnp.float32)
    if start.shape != shape:
        raise Refused(f"baseline must have the shape of one example, {shape}, got {start.shape}")
    limit = jnp.inf if max_norm is None else max_norm
    return _susceptibility(model, fleet, data, rows, start, jnp.float32(limit), attribution, blocks)


@partial(jax.jit, static_argnames=("attribution", "blocks"))
@full_float32
def _susceptibility(
    model: Model,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    start: Float[Array, "..."],
    limit: Float[Array, ""],
    attribution: str,
    blocks: tuple[str, ...] | None,
) -> Susceptibility:
    counted = _counted(model, fleet, blocks)

    def of_example(own: Variables, row: Int[Array, ""]) -> Susceptibility:
        x, targets = data.inputs(row), data.targets(row)

        def at(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, ""]]:
            gradient = _gradient(model, own, x, targets, counted)
            norm = scaled_norm(jax.tree.leaves(gradient))
            # u = g / ‖g‖; ∂‖g‖/∂x is the derivative of ⟨g, u⟩, and that of ℓ along u.
            safe = jnp.where(norm.scaled > 0, norm.scaled, 1.0)
            along = jax.tree.map(lambda leaf: leaf * norm.scale / safe, gradient)

            def slope(x: Float[Array, "..."]) -> Float[Array, ""]:
                def loss(params: Any) -> Float[Array, ""]:
                    return negative_log_prob(model, own._replace(params=params), x, targets)

                return jax.jvp(loss, (own.params,), (along,))[1]

            value = norm.value
            return jnp.where(value > limit, 0.0, jax.grad(slope)(x)), value

        values, norm = at(x)
        if attribution == "input_times_gradient":
            values = values * x
        if attribution == "integrated":
            middles = (jnp.arange(_PARTS, dtype=jnp.float32) + 0.5) / _PARTS
            every = jax.lax.map(lambda t: at(start + t * (x - start))[0], middles)
            values = (x - start) * every.mean(axis=0)
        return Susceptibility(values, norm, norm > limit)

    return over_examples(of_example, fleet, rows, at_once=_AT_ONCE)


def flipped_norms(
    model: Model,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    *,
    blocks: tuple[str, ...] | None = None,
) -> Float[Array, "models rows attributes"]:
    """The change of ‖g‖ if one attribute of zeros and ones is flipped, for each of them.

    Args:
        model: the model.
        fleet: the variables of some models, stacked.
        data: the examples, whose inputs are zeros and ones.
        rows: the examples that are looked at.
        blocks: the names of the blocks whose parameters count; None counts all.

    Raises:
        ValueError: if an input is neither 0 nor 1, or a block is no block of the model.

    Examples:
        >>> import numpy as np
        >>> from pptp_jax.data import Dataset
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import train_fleet, undefended
        >>> bits = np.random.default_rng(0).integers(0, 2, (64, 5)).astype(np.float32)
        >>> labels = bits[:, 0].astype(int)
        >>> data = Arrays.of(Dataset("bits", bits, labels, np.arange(64), 2))
        >>> model = mlp([8], num_classes=2)
        >>> [fleet] = train_fleet(model, undefended(1), data, np.arange(64)[None])
        >>> flipped_norms(model, fleet.variables, data, jnp.arange(3)).shape
        (1, 3, 5)
    """
    for name in blocks or ():
        one_of([block.name for block in model.blocks], block=name)
    inputs = data.inputs(rows)
    if not bool(((inputs == 0) | (inputs == 1)).all()):
        raise Refused("flips are for inputs of zeros and ones: take input_susceptibility")
    return _flipped(model, fleet, data, rows, blocks)


@partial(jax.jit, static_argnames="blocks")
@full_float32
def _flipped(
    model: Model,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    blocks: tuple[str, ...] | None,
) -> Float[Array, "models rows attributes"]:
    counted = _counted(model, fleet, blocks)

    def of_example(own: Variables, row: Int[Array, ""]) -> Float[Array, " attributes"]:
        x, targets = data.inputs(row), data.targets(row)

        def norm(x: Float[Array, "..."]) -> Float[Array, ""]:
            gradient = _gradient(model, own, x, targets, counted)
            return scaled_norm(jax.tree.leaves(gradient)).value

        def flipped(j: Int[Array, ""]) -> Float[Array, ""]:
            flat = x.ravel()
            return norm(flat.at[j].set(1 - flat[j]).reshape(x.shape))

        return jax.lax.map(flipped, jnp.arange(x.size), batch_size=_AT_ONCE) - norm(x)

    def of_model(own: Variables) -> Any:
        return jax.lax.map(partial(of_example, own), rows)

    return jax.lax.map(of_model, fleet)


def _counted(model: Model, fleet: Variables, blocks: tuple[str, ...] | None) -> Any:
    """Which parameters count, as a tree of booleans."""
    if blocks is None:
        return jax.tree.map(lambda _: True, fleet.params)
    numbers = block_numbers(model, fleet.params)
    return jax.tree.map(lambda number: model.blocks[number].name in blocks, numbers)


def _gradient(model: Model, own: Variables, x: Any, targets: Any, counted: Any) -> Any:
    def loss(params: Any) -> Float[Array, ""]:
        return negative_log_prob(model, own._replace(params=params), x, targets)

    return jax.tree.map(
        lambda leaf, counts: leaf if counts else jnp.zeros_like(leaf),
        jax.grad(loss)(own.params),
        counted,
    )
