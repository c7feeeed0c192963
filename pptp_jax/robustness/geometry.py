"""Distances to the decision boundary and the curvature of the loss, for a fleet."""

from functools import partial
from typing import NamedTuple

import jax
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.robustness.boundary import nearest_boundary
from pptp_jax.robustness.curvature import input_curvature

# How many examples are worked on at once.
BATCH = 50


class Geometry(NamedTuple):
    """The distances and curvatures of each example under each model.

    Attributes:
        linear: the distance to the nearest decision boundary, taken as linear; see `Boundary`.
        found: the distance to the point with another label that a search found; infinite for none.
        curvature: the largest eigenvalues of the loss's Hessian in the input, the largest first.

    Examples:
        >>> import jax.numpy as jnp
        >>> Geometry(jnp.ones((1, 2)), jnp.ones((1, 2)), jnp.ones((1, 3, 2))).curvature.shape
        (1, 3, 2)
    """

    linear: Float[Array, "models rows"]
    found: Float[Array, "models rows"]
    curvature: Float[Array, "models count rows"]


def input_geometry(
    model: Model,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, "models rows"],
    key: Key[Array, ""],
    *,
    eigenvalues: int = 1,
    steps: int = 30,
) -> Geometry:
    """Distances to the decision boundary and the curvature of the loss, by model and example.

    The search for a point with another label stays within the range of the data.

    Args:
        model: the model, in eval mode.
        fleet: the variables of some models, stacked.
        data: the examples.
        rows: the examples that are looked at, for each model its own.
        key: what the directions of Lanczos are drawn from.
        eigenvalues: how many.
        steps: how many steps the search for the boundary makes at most.

    Raises:
        ValueError: if a number is not positive.

    Examples:
        >>> import jax.numpy as jnp
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> digits, model = Arrays.of(Digits().load()), mlp([8], num_classes=10)
        >>> fleet = jax.vmap(model.init, in_axes=(0, None))(
        ...     jax.random.split(jax.random.key(0), 2), digits.inputs(slice(0, 1))
        ... )
        >>> rows = jnp.arange(6).reshape(2, 3)
        >>> found = input_geometry(model, fleet, digits, rows, jax.random.key(1), eigenvalues=2)
        >>> found.linear.shape, found.curvature.shape
        ((2, 3), (2, 2, 3))
    """
    return _geometry(model, (eigenvalues, steps), fleet, data, rows, key)


@partial(jax.jit, static_argnums=1)
@full_float32
def _geometry(
    model: Model,
    numbers: tuple[int, int],
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, "models rows"],
    key: Key[Array, ""],
) -> Geometry:
    eigenvalues, steps = numbers
    low, high = data.bounds

    def of_model(mine: tuple[Variables, Int[Array, " rows"]]) -> Geometry:
        own, rows = mine

        def predict(x: Float[Array, "batch ..."]) -> Float[Array, "batch classes"]:
            return model.apply(*own, x, train=False, key=None)[0]

        def of_example(row: Int[Array, ""]) -> Geometry:
            x, label = data.inputs(row)[None], data.y[row][None]
            linear, found = nearest_boundary(predict, x, label, steps=steps, low=low, high=high)
            bent = input_curvature(predict, x, label, key, count=eigenvalues)
            return Geometry(linear[0], found[0], bent[0])

        found = jax.lax.map(of_example, rows, batch_size=BATCH)
        return found._replace(curvature=found.curvature.T)

    return jax.lax.map(of_model, (fleet, rows))
