"""Generate text by a decoder: greedily, or by sampling."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pptp_jax.validation import Refused, at_least, given, positive
from pptp_jax.validation.field_types import check_fields

Answers = Callable[[Int[Array, "batch tokens"]], Float[Array, "batch tokens vocabulary"]]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Sampling:
    """The settings for sampling the next token from a model's logits.

    Attributes:
        temperature: what the scores are divided by; 1 draws from the model's own probabilities.
        top_k: the number of the likeliest tokens that can be drawn, with all that are as likely as
            the last of these; None for all.

    Examples:
        >>> Sampling(top_k=40)
        Sampling(temperature=1.0, top_k=40)
    """

    temperature: float = 1.0
    top_k: int | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        positive(temperature=self.temperature)
        at_least(1, **given(top_k=self.top_k))


def sampling_log_probs(
    scores: Float[Array, "*batch vocabulary"],
    sampling: Sampling = Sampling(),
) -> Float[Array, "*batch vocabulary"]:
    """The log-probabilities for sampling the next token; −∞ for excluded tokens.

    With another temperature or `top_k`, these are what (n, p)-extraction has to be computed of.

    Args:
        scores: a model's logits.
        sampling: how tokens are drawn.

    Raises:
        ValueError: if there are fewer tokens than `top_k`.

    Examples:
        >>> scores = jnp.log(jnp.array([0.4, 0.4, 0.2]))
        >>> print(jnp.exp(sampling_log_probs(scores, Sampling(top_k=2))).round(3))
        [0.5 0.5 0. ]
    """
    scores = scores.astype(jnp.float32) / sampling.temperature
    if (k := sampling.top_k) is not None:
        if k > scores.shape[-1]:
            raise Refused(f"top_k must be at most the {scores.shape[-1]} tokens there are, got {k}")
        least = jax.lax.top_k(scores, k)[0][..., -1:]
        scores = jnp.where(scores >= least, scores, -jnp.inf)
    return jax.nn.log_softmax(scores)


def generate(
    answers: Answers,
    prompts: Int[Array, "batch prompt"],
    tokens: int,
    *,
    sampling: Sampling | None = None,
    key: Key[Array, ""] | None = None,
) -> Int[Array, "batch tokens"]:
    """The tokens with which a decoder continues prompts.

    Pure, one loop on the device; put it under `jax.jit`. Each token costs a pass over all places,
    since nothing is kept from one to the next: right for short suffixes and for any decoder in
    which no token sees a later one.

    Args:
        answers: from token ids to logits, such as `model.answering(variables)`.
        prompts: token ids of one length, the mark before a record included.
        tokens: how many are written.
        sampling: how they are drawn; None always takes the likeliest.
        key: the randomness of drawing.

    Raises:
        ValueError: if there is nothing to write or to go on from, or sampling has no key.

    Examples:
        A model that always continues with the next number:

        >>> def counting(ids):
        ...     return jax.nn.one_hot(ids + 1, 10)
        >>> print(generate(counting, jnp.array([[3], [5]]), tokens=3))
        [[4 5 6]
         [6 7 8]]
    """
    at_least(1, tokens=tokens)
    if prompts.ndim != 2 or not prompts.shape[1]:
        raise Refused(f"prompts must have shape (batch, one token or more), got {prompts.shape}")
    if sampling is not None and key is None:
        raise Refused("sampling needs a key")
    length = prompts.shape[1]

    def write(i: Int[Array, ""], text: Int[Array, "batch _"]) -> Int[Array, "batch _"]:
        # What stands behind place i is not written yet, and no earlier place sees it.
        scores = answers(text[:, :-1])[:, i - 1]
        if sampling is None:
            chosen = scores.argmax(axis=-1)
        else:
            assert key is not None
            drawn = sampling_log_probs(scores, sampling)
            chosen = jax.random.categorical(jax.random.fold_in(key, i), drawn)
        return text.at[:, i].set(chosen.astype(text.dtype))

    text = jnp.pad(prompts, ((0, 0), (0, tokens)))
    text = jax.lax.fori_loop(length, length + tokens, write, text)
    return text[:, length:]
