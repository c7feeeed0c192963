"""Log-probabilities of altered texts: in lower case, or with some tokens replaced."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Variables, full_float32
from pptp_jax.signals.base_tokens import logits_of, over_rows
from pptp_jax.signals.request import SignalRequest
from pptp_jax.tasks import Signal
from pptp_jax.validation import at_least, fraction, positive

Tokens = Int[np.ndarray, "examples tokens"]


@runtime_checkable
class Lowering(Protocol):
    """A tokenizer that can lower the case of a text.

    Examples:
        >>> from pptp_jax.data import Bytes
        >>> isinstance(Bytes(), Lowering)
        True
    """

    @property
    def boundary(self) -> int:
        """The token that stands before and behind every record."""
        ...

    def lowered(self, tokens: list[int]) -> list[int]:
        """The tokens of the same text in lower case."""
        ...


def lowered_rows(seen: Tokens, following: Tokens, tokenizer: Lowering) -> tuple[Tokens, Tokens]:
    """Sequences in lower case: their text is lowered, and split into tokens once more.

    Args:
        seen: the tokens that a model gets.
        following: the token that follows each of them; −1 where none does.
        tokenizer: what lowers the text between two boundaries.

    Returns:
        The same of the text in lower case. What no longer fits is cut off.

    Examples:
        >>> from pptp_jax.data import Bytes
        >>> seen, following = np.array([[256, 72, 105]]), np.array([[72, 105, 256]])
        >>> [rows.tolist() for rows in lowered_rows(seen, following, Bytes())]
        [[[256, 104, 105]], [[104, 105, 256]]]
    """
    length, boundary = following.shape[1], tokenizer.boundary
    found = np.full_like(following, -1)
    for row, own in zip(found, following.tolist(), strict=True):
        tokens: list[int] = []
        record: list[int] = []
        for token in (*filter(lambda token: token >= 0, own), None):
            if token is None or token == boundary:
                tokens += tokenizer.lowered(record)
                tokens += [] if token is None else [boundary]
                record = []
            else:
                record.append(token)
        row[: len(tokens)] = tokens[:length]
    before = np.concatenate([seen[:, :1], found[:, :-1]], axis=1)
    return np.where(before < 0, boundary, before).astype(seen.dtype), found


def lowered_signal(tokenizer: Lowering) -> Signal:
    """The signal `lowered_log_prob`: the mean of log p over the tokens of the text in lower case.

    Args:
        tokenizer: what made the tokens, and can lower their text.

    Examples:
        >>> from pptp_jax.data import Bytes
        >>> lowered_signal(Bytes()).settings
        {'tokenizer': 'Bytes(vocabulary=257, boundary=256)'}
    """

    def take(request: SignalRequest) -> Float[Array, "models examples"]:
        # In NumPy, so that the shape of the signal can be had without taking it.
        x, y = (np.asarray(rows).astype(np.int32) for rows in (request.data.x, request.data.y))
        seen, following = map(jnp.asarray, lowered_rows(x, y, tokenizer))
        return mean_log_prob(request, lambda row: (seen[row][None], following[row][None]))

    return Signal(
        name="lowered_log_prob",
        axes=("models", "examples"),
        access="scores",
        take=take,
        settings={"tokenizer": repr(tokenizer)},
    )


def neighbour_signal(*, neighbours: int = 8, share: float = 0.15) -> Signal:
    """The signal `neighbour_log_prob`: the mean of log p of a sequence's neighbours.

    A neighbour has other tokens at some places, drawn from how often tokens occur in the data. All
    models see the same ones.

    Args:
        neighbours: how many there are of each sequence.
        share: which share of its tokens is replaced, rounded, one at least.

    Raises:
        Refused: if there is to be no neighbour, or the share does not lie above 0 and up to 1.

    Examples:
        >>> neighbour_signal(neighbours=3).settings
        {'neighbours': 3, 'share': 0.15}
    """
    at_least(1, neighbours=neighbours)
    positive(share=share)
    fraction(share=share)

    def take(request: SignalRequest) -> Float[Array, "models examples"]:
        draw = partial(substituted, request.data, cumulated(request.data), share=share)

        def of_row(row: Int[Array, ""]) -> tuple[Array, Array]:
            keys = jax.random.split(jax.random.fold_in(request.key, row), neighbours)
            seen, following = jax.vmap(lambda key: draw(row, key))(keys)
            return seen, following

        return mean_log_prob(request, of_row, copies=neighbours)

    return Signal(
        name="neighbour_log_prob",
        axes=("models", "examples"),
        access="scores",
        take=take,
        settings={"neighbours": neighbours, "share": share},
    )


def cumulated(data: Arrays) -> Int[Array, " vocabulary"]:
    """Cumulative counts of the vocabulary's tokens in the data."""
    tokens = np.asarray(data.y)
    counts = np.bincount(tokens[tokens >= 0], minlength=int(np.asarray(data.x).max()) + 1)
    return jnp.asarray(np.cumsum(counts), jnp.int32)


def substituted(
    data: Arrays,
    counts: Int[Array, " vocabulary"],
    row: Int[Array, ""],
    key: Key[Array, ""],
    *,
    share: float,
) -> tuple[Int[Array, " tokens"], Int[Array, " tokens"]]:
    """A sequence with other tokens at some places: what a model sees, and what follows.

    Args:
        data: the examples.
        counts: those of `cumulated`.
        row: which example.
        key: what places and tokens are drawn from.
        share: which share of the tokens is replaced.
    """
    seen, following = data.inputs(row), data.targets(row)
    there = following >= 0
    where, what = jax.random.split(key)
    wanted = jnp.maximum(jnp.round(share * there.sum(dtype=jnp.float32)), 1).astype(jnp.int32)
    order = jnp.where(there, jax.random.uniform(where, there.shape), 2.0)
    chosen = there & (order.argsort().argsort() < wanted)
    # The n-th of all tokens of the data that are another one than this.
    own = jnp.maximum(following, 0)
    below = jnp.where(own > 0, counts[own - 1], 0)
    others = counts[-1] - (counts[own] - below)
    drawn = jax.random.randint(what, own.shape, 0, jnp.maximum(others, 1))
    drawn += jnp.where(drawn >= below, counts[own] - below, 0)
    other = jnp.searchsorted(counts, drawn, side="right").astype(following.dtype)
    chosen &= others > 0
    shifted = jnp.where(chosen[:-1], other[:-1].astype(seen.dtype), seen[1:])
    return jnp.concatenate([seen[:1], shifted]), jnp.where(chosen, other, following)


@full_float32
def mean_log_prob(
    request: SignalRequest,
    of_row: Callable[[Int[Array, ""]], tuple[Any, Any]],
    *,
    copies: int = 1,
    longer: int = 0,
) -> Float[Array, "models examples"]:
    """The mean of log p over the tokens of sequences made of each example, and over these.

    Args:
        request: models and examples.
        of_row: what a model sees, and what follows, a row a sequence, of the row of an example.
        copies: how many sequences it makes.
        longer: by how many tokens they are longer than the example.
    """
    model = request.model

    def of_model(own: Variables) -> Float[Array, " examples"]:
        def of_example(row: Int[Array, ""]) -> Float[Array, ""]:
            seen, following = of_row(row)
            answers = logits_of(model, own, seen)
            found: Float[Array, ""] = model.task.log_prob(answers, following).mean()
            return found

        return over_rows(of_example, request, own, copies=copies, longer=longer)

    found: Float[Array, "models examples"] = jax.lax.map(of_model, request.fleet)
    return found
