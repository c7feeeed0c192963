"""Samples of a generative model, and distances of examples to them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.signals.request import SignalRequest
from pptp_jax.tasks import Signal
from pptp_jax.validation import Refused, at_least

# How many samples are made at once.
_AT_ONCE = 250


def sample_labels(count: int, num_classes: int) -> Int[Array, " count"]:
    """The labels of a model's samples: all classes in turn.

    Examples:
        >>> print(sample_labels(5, 3))
        [0 1 2 0 1]
    """
    return jnp.arange(count) % num_classes


def samples(
    model: Model, own: Variables, key: Key[Array, ""], labels: Int[Array, " count"]
) -> Float[Array, "count ..."]:
    """Samples of one model for these labels, some hundreds at a time.

    Args:
        model: the model.
        own: its variables.
        key: what the samples derive from.
        labels: one for each.

    Raises:
        ValueError: if the model makes up no examples.

    Examples:
        >>> from pptp_jax.models import discriminator_mlp, gan, generator_mlp
        >>> model = gan(generator_mlp([8], (4,)), discriminator_mlp([8]), num_classes=10)
        >>> own = model.init(jax.random.key(0), jnp.zeros((1, 4)))
        >>> samples(model, own, jax.random.key(1), sample_labels(3, 10)).shape
        (3, 4)
    """
    if model.sample is None:
        raise Refused(f"the task {model.task.name} makes up no examples: take a gan or a ddpm")
    make, size = model.sample, min(_AT_ONCE, len(labels))
    parts = -(-len(labels) // size)
    padded = jnp.resize(labels, (parts, size))
    keys = jax.random.split(key, parts)
    made = jax.lax.map(lambda one: make(*own, *one), (keys, padded))
    return made.reshape(parts * size, *made.shape[2:])[: len(labels)]


def samples_signal(num_classes: int, count: int = 500) -> Signal:
    """Samples of each model, one after another class, flattened: for reports and for utility.

    They are no signal of an example, and no attack reads them as they are.

    Args:
        num_classes: the number of classes.
        count: how many samples.

    Raises:
        ValueError: if a number is below 1.

    Examples:
        >>> samples_signal(num_classes=10).axes
        ('models', 'samples', 'inputs')
    """
    at_least(1, num_classes=num_classes, count=count)

    def take(request: SignalRequest) -> Float[Array, "models samples inputs"]:
        labels = sample_labels(count, num_classes)
        return _of_each(request, lambda own, key: samples(request.model, own, key, labels))

    axes = ("models", "samples", "inputs")
    settings = {"num_classes": num_classes, "count": count}
    return Signal(name="samples", axes=axes, access="samples", take=take, settings=settings)


def sample_distances_signal(
    num_classes: int = 10, count: int = 1000, neighbours: int = 50
) -> Signal:
    """The distance of each example to the nearest of a model's samples, the second, and so on.

    Distances are root mean squared differences. The attacker sees samples alone.

    Args:
        num_classes: the number of classes, of which as many samples are made each.
        count: how many samples.
        neighbours: how many of the distances are kept.

    Raises:
        ValueError: if a number is below 1, or more neighbours than samples are kept.

    Examples:
        >>> sample_distances_signal(num_classes=10).axes
        ('models', 'neighbours', 'examples')
    """
    at_least(1, num_classes=num_classes, count=count, neighbours=neighbours)
    if neighbours > count:
        raise Refused(f"neighbours must be at most count = {count}, got {neighbours}")

    def take(request: SignalRequest) -> Float[Array, "models neighbours examples"]:
        labels = sample_labels(count, num_classes)
        inputs = request.data.inputs(request.rows)

        def of_model(own: Variables, key: Key[Array, ""]) -> Float[Array, "neighbours examples"]:
            made = samples(request.model, own, key, labels)
            return smallest_distances(inputs, made, neighbours).T

        return _of_each(request, of_model)

    return Signal(
        name="sample_distances",
        axes=("models", "neighbours", "examples"),
        access="samples",
        take=take,
        settings={"num_classes": num_classes, "count": count, "neighbours": neighbours},
    )


def smallest_distances(
    inputs: Float[Array, "examples ..."], made: Float[Array, "samples ..."], neighbours: int
) -> Float[Array, "examples neighbours"]:
    """The root mean squared differences of each example to its nearest samples, in order.

    Args:
        inputs: the examples.
        made: the samples.
        neighbours: how many.

    Examples:
        >>> print(smallest_distances(jnp.zeros((1, 2)), jnp.array([[3.0, 3.0], [1.0, 1.0]]), 2))
        [[1. 3.]]
    """
    flat = made.reshape(len(made), -1)

    def one(x: Float[Array, "..."]) -> Float[Array, " neighbours"]:
        squares = jnp.square(flat - x.reshape(1, -1)).mean(axis=1)
        return jnp.sqrt(-jax.lax.top_k(-squares, neighbours)[0])

    return jax.lax.map(one, inputs, batch_size=max(1, 2**24 // flat.size))


def _of_each(request: SignalRequest, function: Callable[[Variables, Any], Array]) -> Array:
    """A function of each model, which all draw alike; compiled once for a group."""

    @jax.jit
    @full_float32
    def every(fleet: Variables, key: Key[Array, ""]) -> Array:
        found = jax.lax.map(lambda own: function(own, key), fleet)
        return found if found.ndim < 4 else found.reshape(*found.shape[:2], -1)

    return every(request.fleet, request.key)
