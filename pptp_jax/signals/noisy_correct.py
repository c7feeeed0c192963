"""The share of noisy copies of an example that a model labels right."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.signals.each_example import over_examples
from pptp_jax.signals.request import SignalRequest, correct
from pptp_jax.tasks import Signal
from pptp_jax.validation import at_least, fraction, given, positive


def noisy_correct(
    model: Model,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    key: Key[Array, ""],
    *,
    flips: float | None = None,
    stddev: float = 0.1,
    draws: int = 100,
) -> Float[Array, "models rows"]:
    """The share of disturbed copies of each example that a model, in eval mode, labels right.

    All models see the same disturbances, so that what differs between them is theirs.

    Args:
        model: the model.
        fleet: the variables of some models, stacked.
        data: the examples.
        rows: the examples that are looked at.
        key: what the disturbances are drawn from.
        flips: for inputs of 0 and 1: the probability with which each is flipped. None adds
            Gaussian noise instead.
        stddev: the noise's standard deviation, in units of the inputs as the model sees them.
        draws: how many copies; each costs the attacker a query.

    Raises:
        ValueError: if a number is out of its range.

    References:
        Choquette-Choo et al., "Label-Only Membership Inference Attacks", ICML 2021,
        https://arxiv.org/abs/2007.14321

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> digits, model = Arrays.of(Digits().load()), mlp([8], num_classes=10)
        >>> fleet = jax.vmap(model.init, in_axes=(0, None))(
        ...     jax.random.split(jax.random.key(0), 3), digits.inputs(slice(0, 1))
        ... )
        >>> noisy_correct(model, fleet, digits, jnp.arange(20), jax.random.key(1), draws=5).shape
        (3, 20)
    """
    at_least(1, draws=draws)
    fraction(**given(flips=flips))
    positive(stddev=stddev)
    return _shares(model, draws, fleet, data, rows, key, flips, stddev)


@partial(jax.jit, static_argnums=1)
@full_float32
def _shares(
    model: Model,
    draws: int,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    key: Key[Array, ""],
    flips: float | Float[Array, ""] | None,
    stddev: float | Float[Array, ""],
) -> Float[Array, "models rows"]:
    def of_example(own: Variables, row: Int[Array, ""]) -> Float[Array, ""]:
        x = data.inputs(row)
        shape = (draws, *x.shape)
        noise = jax.random.fold_in(key, row)
        if flips is None:
            disturbed = x[None] + stddev * jax.random.normal(noise, shape)
        else:
            flipped = jax.random.bernoulli(noise, flips, shape)
            disturbed = jnp.where(flipped, 1 - x[None], x[None])
        return correct(model, own, disturbed, data.targets(row)).astype(jnp.float32).mean()

    return over_examples(of_example, fleet, rows, at_once=16)


def noise_signal(*, flips: float = 0.05, stddev: float = 0.1, draws: int = 100) -> Signal:
    """The signal `noisy_correct`: bits are flipped where all inputs are bits, else noise is added.

    Args:
        flips: the probability with which each bit is flipped.
        stddev: the noise's standard deviation, in units of the inputs as the model sees them.
        draws: how many disturbed copies of each example.

    Examples:
        >>> noise_signal(draws=10).settings["draws"]
        10
    """

    def take(request: SignalRequest) -> Float[Array, "models examples"]:
        # In NumPy, so that the shape of the signal can be had without taking it.
        binary = bool(np.isin(np.asarray(request.data.x), [0, 1]).all())
        scale = request.data.scale
        own = flips if binary and scale is not None and float(scale) == 1 else None
        parts = request.model, request.fleet, request.data, request.rows, request.key
        return noisy_correct(*parts, flips=own, stddev=stddev, draws=draws)

    at_least(1, draws=draws)
    fraction(flips=flips)
    positive(stddev=stddev)
    return Signal(
        name="noisy_correct",
        axes=("models", "examples"),
        access="labels",
        take=take,
        settings={"flips": flips, "stddev": stddev, "draws": draws},
    )
