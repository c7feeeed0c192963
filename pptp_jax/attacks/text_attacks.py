"""Attacks on language models by the tokens of a sequence: none of them needs shadows."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.validation import fraction, positive

# A model that is certain of the next token has no deviation to divide by.
_LEAST = 1e-6


def min_k(evidence: Evidence, *, share: float = 0.2) -> Float[Array, "targets attacked"]:
    """Min-K %: the mean of log p over the tokens of a sequence that are least likely.

    A sequence that was learned has no token that surprises the model much.

    Args:
        evidence: with `token_log_prob` and `token_present`; queries are averaged.
        share: the share of the tokens, rounded down to an integer, one at least.

    Raises:
        Refused: if the share does not lie above 0 and up to 1.

    References:
        Shi et al., "Detecting Pretraining Data from Large Language Models", 2023,
        https://arxiv.org/abs/2310.16789

    Examples:
        >>> import numpy as np
        >>> log_p = np.float32([[[[-1.0, -5.0, -2.0, -9.0]]]])
        >>> there = np.array([[[[True, True, True, False]]]])
        >>> signals = {"token_log_prob": log_p, "token_present": there}
        >>> print(min_k(Evidence.leave_one_out(signals, np.array([[True]])), share=0.4))
        [[-5.]]
    """
    return _least(evidence.target_signal("token_log_prob"), evidence, share)


def min_k_plus_plus(evidence: Evidence, *, share: float = 0.2) -> Float[Array, "targets attacked"]:
    """Min-K %++: Min-K % of z = (log p − μ) / σ, how unlikely a token is among the others.

    μ and σ are the mean and deviation of log p of a token that is drawn from the model's answer.

    Args:
        evidence: with `token_log_prob`, `token_mean`, `token_deviation` and `token_present`;
            queries are averaged.
        share: as in `min_k`.

    Raises:
        Refused: if the share does not lie above 0 and up to 1.

    References:
        Zhang et al., "Min-K%++: Improved Baseline for Detecting Pre-Training Data from Large
        Language Models", 2024, https://arxiv.org/abs/2404.02936

    Examples:
        >>> import numpy as np
        >>> numbers = {"token_log_prob": [-1.0, -5.0], "token_mean": [-2.0, -2.0]}
        >>> numbers |= {"token_deviation": [1.0, 2.0], "token_present": [True, True]}
        >>> signals = {name: np.array(own)[None, None, None] for name, own in numbers.items()}
        >>> print(min_k_plus_plus(Evidence.leave_one_out(signals, np.array([[True]]))))
        [[-1.5]]
    """
    log_p, mean, deviation = (
        evidence.target_signal(f"token_{name}") for name in ("log_prob", "mean", "deviation")
    )
    return _least((log_p - mean) / jnp.maximum(deviation, _LEAST), evidence, share)


def zlib_ratio(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """Log p of a sequence over the length to which zlib compresses it.

    So repetitive text, which every model finds likely, is no longer taken for members.

    Args:
        evidence: with `log_prob`, or φ, from which it follows, and `compressed_length`; queries are
            averaged.

    References:
        Carlini et al., "Extracting Training Data from Large Language Models", 2021,
        https://arxiv.org/abs/2012.07805

    Examples:
        >>> import numpy as np
        >>> signals = {"log_prob": np.float32([[-3.0]]), "compressed_length": np.float32([[10.0]])}
        >>> print(zlib_ratio(Evidence.leave_one_out(signals, np.array([[True]]))))
        [[-0.3]]
    """
    log_p = evidence.target_signal("log_prob").mean(axis=1)
    return log_p / jnp.maximum(evidence.target_signal("compressed_length"), 1.0)


def base_ratio(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The growth in log p of a sequence since the base model, before it was fine-tuned.

    Args:
        evidence: with `log_prob`, or φ, from which it follows, and `base_log_prob`; queries are
            averaged.

    References:
        Mireshghallah et al., "Memorization in NLP Fine-tuning Methods", 2022,
        https://arxiv.org/abs/2205.12506

    Examples:
        >>> import numpy as np
        >>> signals = {"log_prob": np.float32([[-3.0]]), "base_log_prob": np.float32([[-5.0]])}
        >>> print(base_ratio(Evidence.leave_one_out(signals, np.array([[True]]))))
        [[2.]]
    """
    log_p = evidence.target_signal("log_prob").mean(axis=1)
    return log_p - evidence.target_signal("base_log_prob")


def _least(
    values: Float[Array, "targets queries attacked tokens"], evidence: Evidence, share: float
) -> Float[Array, "targets attacked"]:
    """The mean of the smallest values of each sequence, averaged over the queries."""
    positive(share=share)
    fraction(share=share)
    # For each number of tokens, in double precision: .7 of 10 are 7.
    counts = [max(1, int(tokens * share)) for tokens in range(values.shape[-1] + 1)]
    return _mean_of_least(values, evidence.target_signal("token_present"), jnp.array(counts))


@jax.jit
def _mean_of_least(
    values: Float[Array, "targets queries attacked tokens"],
    there: Bool[Array, "targets queries attacked tokens"],
    counts: Int[Array, " sizes"],
) -> Float[Array, "targets attacked"]:
    ordered = jnp.sort(jnp.where(there, values, jnp.inf), axis=-1)
    count = counts[there.sum(axis=-1)]
    chosen = jnp.arange(values.shape[-1])[None, None, None] < count[..., None]
    total = jnp.where(chosen & (ordered < jnp.inf), ordered, 0.0).sum(axis=-1)
    return (total / count.astype(total.dtype)).mean(axis=1)
