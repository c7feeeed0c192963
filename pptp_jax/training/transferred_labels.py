"""Whether a model labels transferred adversarial inputs right, at one query each.

References:
    Peng et al., "OSLO: One-Shot Label-Only Membership Inference Attacks", NeurIPS 2024,
    https://arxiv.org/abs/2405.16978
"""

from dataclasses import asdict, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.signals import SignalRequest
from pptp_jax.signals.request import correct
from pptp_jax.signals.transferred_inputs import (
    TRANSFERRED_CORRECT,
    Transfer,
    transferred_inputs,
)
from pptp_jax.tasks import Signal
from pptp_jax.training.optimizer import Optimizer
from pptp_jax.training.recipes import undefended
from pptp_jax.training.train import make_train
from pptp_jax.validation import Refused, at_least

# No model of a fleet has a number as high, so that no surrogate begins as one of them has.
_SURROGATE = 2**31 + 4


def surrogates(
    model: Model,
    data: Arrays,
    key: Key[Array, ""],
    *,
    models: int = 6,
    epochs: int = 30,
    optimizer: Optimizer | None = None,
    batch_size: int = 64,
) -> Variables:
    """The attacker's own models: trained on the reference examples, of which no model is a member.

    They differ in their initial values and in the order of examples.

    Args:
        model: the network.
        data: the examples, with the reference examples.
        key: what initial values and batches derive from.
        models: how many.
        epochs: how long each learns.
        optimizer: as `make_train` takes it.
        batch_size: the examples in a step; with fewer reference examples all of them.

    Raises:
        ValueError: if there are no reference examples, or a number is out of its range.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> digits = Arrays.of(Digits().load(), range(100))
        >>> found = surrogates(mlp([8], 10), digits, jax.random.key(0), models=2, epochs=1)
        >>> {leaf.shape[0] for leaf in jax.tree.leaves(found)}
        {2}
    """
    at_least(1, models=models, epochs=epochs, batch_size=batch_size)
    if not len(data.reference):
        raise Refused(
            "surrogates learn from reference examples, and there are none: set some aside"
        )
    size = min(batch_size, len(data.reference))
    train = make_train(model, undefended(epochs), optimizer, batch_size=size)
    keys = jax.random.split(jax.random.fold_in(key, _SURROGATE), models)
    return jax.lax.map(lambda own: train(own, data, data.reference)[0], keys)


def transferred_correct(
    model: Model,
    fleet: Variables,
    own: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    transfer: Transfer = Transfer(),  # noqa: B008 - frozen
) -> Bool[Array, "models thresholds rows"]:
    """Whether each model labels an input right that was moved until surrogates doubt it.

    Two thirds of the surrogates, rounded down, say where to move it, the others when it is enough.

    Args:
        model: the network, in eval mode.
        fleet: the variables of the queried models, stacked.
        own: those of the attacker's surrogates, at least two.
        data: the examples.
        rows: which of them.
        transfer: how far inputs are moved.

    Raises:
        ValueError: if there is but one surrogate, or a number is out of its range.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> digits, model = Arrays.of(Digits().load(), range(100)), mlp([8], 10)
        >>> own = surrogates(model, digits, jax.random.key(0), models=2, epochs=1)
        >>> transfer = Transfer(thresholds=(0.3,), budgets=2)
        >>> transferred_correct(model, own, own, digits, jnp.arange(5), transfer).shape
        (2, 1, 5)
    """
    count = len(jax.tree.leaves(own)[0])
    at_least(2, surrogates=count)
    sources = max(1, 2 * count // 3)
    parts = (jax.tree.map(lambda a, p=p: a[p], own) for p in (slice(sources), slice(sources, None)))
    return _queried(model, transfer, fleet, *parts, data, rows)


@partial(jax.jit, static_argnums=1)
@full_float32
def _queried(
    model: Model,
    transfer: Transfer,
    fleet: Variables,
    sources: Variables,
    judges: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
) -> Bool[Array, "models thresholds rows"]:
    bounds = data.bounds

    def of_example(row: Int[Array, ""]) -> Bool[Array, "models thresholds"]:
        x, target = data.inputs(row), data.targets(row)
        moved = transferred_inputs(model, sources, judges, x, target, bounds, transfer)
        return jax.lax.map(lambda one: correct(model, one, moved, target), fleet)

    return jnp.moveaxis(jax.lax.map(of_example, rows, batch_size=32), 0, -1)


def transferred_signal(
    *,
    models: int = 6,
    epochs: int = 30,
    optimizer: Optimizer | None = None,
    batch_size: int = 64,
    transfer: Transfer = Transfer(),  # noqa: B008 - frozen
) -> Signal:
    """The signal `transferred_correct`, taken at the end of a training.

    Args:
        models: how many surrogates the attacker trains.
        epochs: how long each learns.
        optimizer: that of the surrogates.
        batch_size: the examples in a step.
        transfer: how far inputs are moved.

    Raises:
        ValueError: if a number is out of its range.

    Examples:
        >>> transferred_signal(models=4).settings["models"]
        4
    """
    at_least(2, models=models)
    at_least(1, epochs=epochs, batch_size=batch_size)
    settings: dict[str, Any] = {
        "models": models,
        "epochs": epochs,
        "optimizer": optimizer,
        "batch_size": batch_size,
    }

    def take(request: SignalRequest) -> Bool[Array, "models thresholds examples"]:
        own = surrogates(request.model, request.data, request.key, **settings)
        return transferred_correct(
            request.model, request.fleet, own, request.data, request.rows, transfer
        )

    return replace(
        TRANSFERRED_CORRECT, take=take, settings={**settings, "transfer": asdict(transfer)}
    )
