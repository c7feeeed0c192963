"""Signals of a sequence that do not depend on the attacked language model."""

import zlib
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pptp_jax.models import full_float32
from pptp_jax.signals.base_tokens import begun
from pptp_jax.signals.request import SignalRequest, negative_log_prob
from pptp_jax.tasks import Signal

# Tokens from 0 to this are bytes, and what is above marks ends, where a vocabulary is no larger.
_BYTES = 256


def compressed_length(tokens: Iterable[int], *, of_bytes: bool) -> int:
    """The bytes that zlib makes of a sequence.

    Args:
        tokens: the sequence; what is below 0 is no token.
        of_bytes: whether tokens are bytes, so that this is the length of the text; else it is that
            of the tokens' ids, four bytes each.

    References:
        Carlini et al., "Extracting Training Data from Large Language Models", 2021,
        https://arxiv.org/abs/2012.07805

    Examples:
        >>> compressed_length(b"abcabc", of_bytes=True) == len(zlib.compress(b"abcabc"))
        True
    """
    found = [token for token in map(int, tokens) if token >= 0]
    if of_bytes:
        return len(zlib.compress(bytes(token for token in found if token < _BYTES)))
    return len(zlib.compress(np.array(found, "<u4").tobytes()))


def _compressed(request: SignalRequest) -> Float[Array, "models examples"]:
    # In NumPy, and of all examples, so that the shape of the signal can be had without taking it.
    targets = np.asarray(request.data.y)
    of_bytes = int(targets.max()) <= _BYTES
    lengths = [compressed_length(row, of_bytes=of_bytes) for row in targets.tolist()]
    own = jnp.asarray(lengths, jnp.float32)[request.rows]
    return jnp.broadcast_to(own[None], (len(request.numbers), len(own)))


COMPRESSED_LENGTH = Signal(
    name="compressed_length", axes=("models", "examples"), access="labels", take=_compressed
)


@full_float32
def _before_training(request: SignalRequest) -> Float[Array, "models examples"]:
    model, data = request.model, request.data
    start = begun(model, data, request.key)

    def of_example(row: Int[Array, ""]) -> Float[Array, ""]:
        return -negative_log_prob(model, start, data.inputs(row), data.targets(row))

    found = jax.lax.map(of_example, request.rows, batch_size=64)
    return jnp.broadcast_to(found[None], (len(request.numbers), len(found)))


# That of the network as it begins: of a model that starts from given weights, the base model's.
BASE_LOG_PROB = Signal(
    name="base_log_prob", axes=("models", "examples"), access="scores", take=_before_training
)
