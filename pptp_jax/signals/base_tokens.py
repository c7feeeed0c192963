"""The base model's log-probabilities of the tokens of a sequence, before fine-tuning."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.signals.request import SignalRequest
from pptp_jax.tasks import Signal
from pptp_jax.tasks.language import present, token_log_prob

# Scores for all tokens of a vocabulary that are held at once.
NUMBERS_AT_ONCE = 2**25


def logits_of(
    model: Model, own: Variables, x: Int[Array, "batch tokens"]
) -> Float[Array, "batch tokens vocabulary"]:
    """The logits of a decoder, as an attacker is given them.

    Args:
        model: the network, in eval mode.
        own: its variables.
        x: the tokens that it sees.
    """
    outputs, _ = model.apply(*own, x, train=False, key=None)
    logits: Float[Array, "batch tokens vocabulary"] = model.task.answers(outputs)
    return logits


def over_rows(
    function: Callable[[Int[Array, ""]], Any],
    request: SignalRequest,
    own: Variables,
    *,
    copies: int = 1,
    longer: int = 0,
) -> Any:
    """A function of each example, of as many at once as there is room for their scores.

    Args:
        function: of the row of an example.
        request: the examples, and the network.
        own: variables of one network.
        copies: how many sequences the function looks at.
        longer: by how many tokens they are longer than the example.
    """
    example = request.data.batch_shape(1)
    answer = jax.eval_shape(lambda own, x: logits_of(request.model, own, x), own, example)
    numbers = answer.size * copies * (1 + longer / example.shape[1])
    at_once = max(1, min(64, int(NUMBERS_AT_ONCE / numbers)))
    return jax.lax.map(function, request.rows, batch_size=at_once)


def begun(model: Model, data: Arrays, key: Any) -> Variables:
    """The network as it begins: of one that starts from given weights, the base model."""
    return model.init(key, data.inputs(slice(0, 1)))


@full_float32
def _before_training(request: SignalRequest) -> Float[Array, "models examples tokens"]:
    model, data = request.model, request.data
    start = begun(model, data, request.key)

    def of_example(row: Int[Array, ""]) -> Float[Array, " tokens"]:
        answers = logits_of(model, start, data.inputs(row)[None])
        return token_log_prob(answers, data.targets(row)[None])[0]

    found = over_rows(of_example, request, start)
    return jnp.broadcast_to(found[None], (len(request.numbers), *found.shape))


BASE_TOKEN_LOG_PROB = Signal(
    name="base_token_log_prob",
    axes=("models", "examples", "tokens"),
    access="scores",
    take=_before_training,
)


@full_float32
def _divergence(request: SignalRequest) -> Float[Array, "models examples tokens"]:
    model, data = request.model, request.data
    start = begun(model, data, request.key)

    def of_example(row: Int[Array, ""]) -> Float[Array, "models tokens"]:
        x, there = data.inputs(row)[None], present(data.targets(row))
        before = jax.nn.log_softmax(logits_of(model, start, x)[0])
        p = jnp.exp(before)

        def of_model(own: Variables) -> Float[Array, " tokens"]:
            ratio = before - jax.nn.log_softmax(logits_of(model, own, x)[0])
            # What is impossible adds nothing.
            apart = jnp.where(p > 0, p * ratio, 0.0).sum(axis=-1)
            return jnp.where(there, jnp.maximum(apart, 0.0), 0.0)

        return jax.lax.map(of_model, request.fleet)

    return over_rows(of_example, request, start, copies=2).swapaxes(0, 1)


# KL(base ‖ model) of the next token, over the entire vocabulary, at each place.
BASE_DIVERGENCE = Signal(
    name="base_divergence",
    axes=("models", "examples", "tokens"),
    access="scores",
    take=_divergence,
)
