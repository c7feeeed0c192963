"""The log-probability of a text behind a non-member prefix."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pptp_jax.signals.altered_text import mean_log_prob
from pptp_jax.signals.base_tokens import logits_of
from pptp_jax.signals.request import SignalRequest
from pptp_jax.tasks import Signal
from pptp_jax.validation import Refused, at_least


def prefixed_signals(*, prefixes: int = 4, length: int | None = None) -> tuple[Signal, Signal]:
    """The signals `prefixed_log_prob` and `unprefixed_log_prob`.

    Both are means of log p over the same tokens of a sequence: behind prefixes of known
    non-members, averaged over these, and on its own. The prefixes are consecutive pieces of the
    reference examples, one behind the other. Of a model whose context is too short for a prefix
    and a sequence only the first tokens of the sequence are looked at, those that fit.

    Args:
        prefixes: how many there are, as far as the reference examples suffice.
        length: the tokens of a prefix; None takes half as many as a sequence has.

    Raises:
        Refused: if a number is below 1; when they are taken, if there are no reference examples, or
            a prefix leaves no room for a sequence.

    Examples:
        >>> [signal.name for signal in prefixed_signals(prefixes=2)]
        ['prefixed_log_prob', 'unprefixed_log_prob']
    """
    at_least(1, prefixes=prefixes)
    if length is not None:
        at_least(1, length=length)
    settings = {"prefixes": prefixes, "length": length}

    def with_prefix(request: SignalRequest) -> Float[Array, "models examples"]:
        data = request.data
        known = known_texts(request, prefixes, length)
        kept = _fitting(request, known.shape[1])
        count, size = known.shape

        def of_row(row: Int[Array, ""]) -> tuple[Array, Array]:
            seen, following = data.inputs(row), data.targets(row)
            first = jnp.broadcast_to(seen[:1], (count, 1))
            rest = jnp.broadcast_to(seen[1:kept], (count, kept - 1))
            nothing = jnp.full((count, size), -1, following.dtype)
            own = jnp.broadcast_to(following[:kept], (count, kept))
            return (
                jnp.concatenate([first, known.astype(seen.dtype), rest], axis=1),
                jnp.concatenate([nothing, own], axis=1),
            )

        longer = size + kept - data.x.shape[1]
        return mean_log_prob(request, of_row, copies=count, longer=longer)

    def without(request: SignalRequest) -> Float[Array, "models examples"]:
        data = request.data
        kept = _fitting(request, known_texts(request, prefixes, length).shape[1])

        def of_row(row: Int[Array, ""]) -> tuple[Array, Array]:
            return data.inputs(row)[None, :kept], data.targets(row)[None, :kept]

        return mean_log_prob(request, of_row)

    first, second = (
        Signal(
            name=name, axes=("models", "examples"), access="scores", take=take, settings=settings
        )
        for name, take in (("prefixed_log_prob", with_prefix), ("unprefixed_log_prob", without))
    )
    return first, second


def known_texts(
    request: SignalRequest, prefixes: int, length: int | None
) -> Int[Array, "prefixes length"]:
    """The prefixes: consecutive pieces of the reference examples.

    Args:
        request: the examples.
        prefixes: how many, at most.
        length: their tokens; None takes half as many as a sequence has.

    Raises:
        Refused: if there are no reference examples.
    """
    # In NumPy, so that the shape of the signal can be had without taking it.
    following = np.asarray(request.data.y)[np.asarray(request.data.reference)]
    tokens = following[following >= 0]
    if not tokens.size:
        raise Refused(
            "a prefix is made of examples that no model learns: set some aside, reference=8 or so"
        )
    wanted = max(1, request.data.x.shape[1] // 2) if length is None else length
    size = min(wanted, len(tokens))
    count = min(prefixes, len(tokens) // size)
    return jnp.asarray(tokens[: count * size].reshape(count, size), jnp.int32)


def _fitting(request: SignalRequest, prefix: int) -> int:
    """How many tokens of a sequence the context has room for behind a prefix."""
    own = jax.eval_shape(lambda fleet: jax.tree.map(lambda leaf: leaf[0], fleet), request.fleet)
    tokens: int = request.data.x.shape[1]
    whole = jax.ShapeDtypeStruct((1, prefix + tokens), jnp.int32)
    try:
        jax.eval_shape(lambda own, x: logits_of(request.model, own, x), own, whole)
    except ValueError:  # the model's context is shorter
        if prefix >= tokens:
            raise Refused(
                f"a prefix of {prefix} tokens leaves no room for a sequence where the model's "
                f"context has none for {prefix + tokens}: take a shorter one"
            ) from None
        return tokens - prefix
    return tokens


# Of a text that was looked at to its end it is log p itself.
UNPREFIXED = Signal(
    name="unprefixed_log_prob",
    axes=("models", "examples"),
    access="scores",
    derive=lambda log_prob: log_prob.mean(axis=-2),
)
