"""The accuracy of a fleet's models on perturbed inputs."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.robustness.ball import Ball, Norm
from pptp_jax.robustness.corruption import CORRUPTIONS, corrupted
from pptp_jax.robustness.fgsm import fgsm
from pptp_jax.robustness.gradient import Predict
from pptp_jax.robustness.pgd import pgd
from pptp_jax.robustness.settings import Kind, Robustness
from pptp_jax.validation import Refused

# How many examples are worked on at once.
BATCH = 50


def right_when_disturbed(
    model: Model,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, "models rows"],
    key: Key[Array, ""],
    how: Robustness,
    surrogates: Variables | None = None,
) -> Float[Array, "models trials rows"]:
    """The accuracy of each model, in eval mode, on its examples under each trial.

    The attacker has the model's weights. Where a defence changes what is released, he goes by what
    lies behind it; a release that keeps the predicted class changes nothing here. Disturbed inputs
    stay between the least and the largest input of the data. Random starts and noise depend on the
    example alone, so that what differs between models is theirs.

    Args:
        model: the model.
        fleet: the variables of some models, stacked.
        data: the examples.
        rows: the examples that are looked at, for each model its own.
        key: what random starts and noise are drawn from.
        how: what is tried.
        surrogates: the variables of the networks that transferred inputs are found on, stacked;
            needed if `how.surrogates` is above 0. Their gradients are those of the mean log
            probability.

    Returns:
        For each of `how.trials` 1 where the label is right and 0 where it is not; for noise the
        share of the noisy copies.

    Raises:
        ValueError: if surrogates are needed and there are none.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> digits, model = Arrays.of(Digits().load()), mlp([8], num_classes=10)
        >>> fleet = jax.vmap(model.init, in_axes=(0, None))(
        ...     jax.random.split(jax.random.key(0), 2), digits.inputs(slice(0, 1))
        ... )
        >>> rows, how = jnp.arange(20).reshape(2, 10), Robustness(epsilons=(0.1,), steps=(5,))
        >>> right_when_disturbed(model, fleet, digits, rows, jax.random.key(1), how).shape
        (2, 4, 10)
    """
    if how.surrogates and surrogates is None:
        raise Refused("transferred inputs need surrogates to be found on, got none")
    found = [
        _right(
            model,
            (trial.kind, trial.norm, how.draws if trial.kind == "noise" else 1),
            fleet,
            data,
            rows,
            key,
            (trial.size, how.pace, trial.steps or 1),
            surrogates if trial.kind == "transfer" else None,
        )
        for trial in how.trials
    ]
    return jnp.stack(found, axis=1)


@partial(jax.jit, static_argnums=1)
@full_float32
def _right(
    model: Model,
    what: tuple[Kind, Norm | None, int],
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, "models rows"],
    key: Key[Array, ""],
    numbers: tuple[Float[Array, ""], Float[Array, ""], Int[Array, ""]],
    surrogates: Variables | None,
) -> Float[Array, "models rows"]:
    low, high = data.bounds
    kind, norm, draws = what
    size, pace, steps = numbers

    def disturbed(predict: Predict, x: Array, labels: Array, key: Key[Array, " batch"]) -> Array:
        if kind == "clean":
            return x
        if kind == "noise":
            noise = jax.vmap(partial(jax.random.normal, shape=x.shape[1:]))(key)
            return jnp.clip(x + size * noise, low, high)
        if kind in CORRUPTIONS:
            return corrupted(x, kind, size.astype(jnp.int32), key, low, high)
        assert norm is not None  # an attack has one
        ball = Ball(epsilon=size, low=low, high=high, norm=norm)
        if kind == "fgsm":
            return fgsm(predict, x, labels, ball)
        start = jax.vmap(ball.draw)(key, x)
        if kind == "transfer":
            far = partial(pgd, steps=steps, pace=pace, to_the_end=True)
            return far(together, x, labels, ball, start)
        return pgd(predict, x, labels, ball, start, steps=steps, pace=pace)

    def together(x: Float[Array, "batch ..."]) -> Float[Array, "batch classes"]:
        """The mean log probabilities of the surrogates."""
        assert surrogates is not None  # or no input is transferred

        def one(own: Variables) -> Float[Array, "batch classes"]:
            return jax.nn.log_softmax(model.apply(*own, x, train=False, key=None)[0])

        return jax.vmap(one)(surrogates).mean(axis=0)

    def of_batch(own: Variables, rows: Int[Array, " batch"]) -> Float[Array, " batch"]:
        x, labels = data.inputs(rows), data.y[rows]

        def predict(x: Float[Array, "batch ..."]) -> Float[Array, "batch classes"]:
            return model.apply(*own, x, train=False, key=None)[0]

        def once(draw: Int[Array, ""]) -> Float[Array, " batch"]:
            key_of = jax.vmap(partial(jax.random.fold_in, jax.random.fold_in(key, draw)))
            seen = predict(disturbed(predict, x, labels, key_of(rows)))
            return (seen.argmax(axis=-1) == labels).astype(jnp.float32)

        return jax.lax.map(once, jnp.arange(draws)).mean(axis=0)

    def of_model(mine: tuple[Variables, Int[Array, " rows"]]) -> Float[Array, " rows"]:
        own, rows = mine
        size = min(BATCH, len(rows))
        filled = jnp.pad(rows, (0, -len(rows) % size), mode="edge").reshape(-1, size)
        return jax.lax.map(partial(of_batch, own), filled).reshape(-1)[: len(rows)]

    return jax.lax.map(of_model, (fleet, rows))
