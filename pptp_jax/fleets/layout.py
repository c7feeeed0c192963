"""Which arrays the store of a fleet's stop holds, and how a model's answers become them."""

from functools import partial
from typing import Any

import jax
from jaxtyping import Array, Int, Shaped

from pptp_jax.data import Arrays
from pptp_jax.fleets.spec import FleetSpec
from pptp_jax.models import Model, Variables
from pptp_jax.signals import Layout, Part, SignalRequest, collect
from pptp_jax.tasks import Signal


def layout(spec: FleetSpec, key: str, epochs: int) -> Layout:
    """The layout of a stop's store.

    Args:
        spec: the fleet.
        key: its fingerprint.
        epochs: the epochs behind the stop.
    """
    signals = spec.signals_at(epochs)
    shapes = spec.model.shapes(spec.arrays.batch_shape())
    own = partial(answers, spec, spec.model)
    one = jax.eval_shape(own, shapes, spec.queried_arrays, jax.random.key(0))
    stacked = jax.tree.map(lambda a: jax.ShapeDtypeStruct((1, *a.shape), a.dtype), shapes)
    parts = {}
    for signal in signals:
        if signal.take is None:
            found, shape = one[signal.name], one[signal.name].shape
        else:
            found = jax.eval_shape(partial(_take, spec, signal), stacked)
            shape = found.shape[1:]
        parts[signal.name] = Part(shape, str(found.dtype))
    parts["finite"] = Part((), "bool")
    if epochs == spec.ends[-1]:
        parts["loss"] = Part((epochs,))
    return Layout(
        key=key,
        models=spec.models,
        examples=len(spec.rows),
        queries=tuple(query.name for query in spec.queries),
        parts=parts,
    )


def _take(spec: FleetSpec, signal: Signal, fleet: Variables) -> Shaped[Array, "models ..."]:
    """A signal of the first models of a fleet; only its shape is looked at."""
    assert signal.take is not None
    numbers = tuple(range(len(jax.tree.leaves(fleet)[0])))
    key = jax.random.key(spec.seed)
    return signal.take(SignalRequest(spec.model, fleet, numbers, spec.arrays, spec.rows, key))


def answers(
    spec: FleetSpec, model: Model, own: Variables, data: Arrays, key: Any
) -> dict[str, Shaped[Array, "..."]]:
    """The signals that follow from the answers of one model.

    Args:
        spec: the fleet.
        model: its model, an argument of the compiled program for the weights that it shares.
        own: the variables.
        data: the queried examples.
        key: what a release draws from.
    """
    return collect(
        model.answering(own),
        data,
        task=model.task,
        signals=spec.kept,
        queries=spec.queries,
        release=spec.recipe.release,
        key=key,
    )


def reduced(
    spec: FleetSpec,
    model: Model,
    group: Variables,
    place: Int[Array, ""],
    number: Int[Array, ""],
    data: Arrays,
) -> dict[str, Shaped[Array, "..."]]:
    """The signals that follow from the answers of a model that stands somewhere in a group."""
    own = jax.tree.map(lambda leaf: leaf[place], group)
    key = jax.random.fold_in(jax.random.key(spec.seed), number)
    return answers(spec, model, own, data, key)
