"""Attacks that compare log p of tokens with the base model's, without shadows."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence

# An error or two more could be chance: below this many tokens EZ-MIA says nothing.
_FEWEST = 2


def ez_mia(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """EZ-MIA: where a model errs, the share of all change since the base model that is a gain.

    Over the tokens that are not the model's first choice, with Δ = log p − log p of the base model:
    P / (P + N), where P is the sum of the positive Δ and N that of the negative ones without their
    sign. It ranks as P / N does, the published score. With fewer than two such tokens it is 0: of a
    text that a model has memorised, this attack finds nothing.

    Args:
        evidence: with `token_log_prob`, `base_token_log_prob`, `token_first` and `token_present`;
            queries are averaged.

    References:
        Ilić, Stanojević and Cvejoski, "Powerful Training-Free Membership Inference Against
        Autoregressive Language Models", 2026, https://arxiv.org/abs/2601.12104

    Examples:
        >>> import numpy as np
        >>> log_p, first = [[[[-1.0, -3.0, -2.0]]]], [[[[True, False, False]]]]
        >>> signals = {"token_log_prob": np.float32(log_p), "token_first": np.array(first)}
        >>> signals["base_token_log_prob"] = np.float32([[[-9.0, -6.0, -1.0]]])
        >>> signals["token_present"] = np.ones((1, 1, 1, 3), bool)
        >>> print(ez_mia(Evidence.leave_one_out(signals, np.array([[True]]))))
        [[0.75]]
    """
    gain = _gain(evidence)
    there = evidence.target_signal("token_present") & ~evidence.target_signal("token_first")
    gained = jnp.where(there, jnp.maximum(gain, 0.0), 0.0).sum(axis=-1)
    lost = jnp.where(there, jnp.maximum(-gain, 0.0), 0.0).sum(axis=-1)
    total = gained + lost
    share = jnp.where(total > 0, gained / jnp.where(total > 0, total, 1.0), 0.0)
    return jnp.where(there.sum(axis=-1) >= _FEWEST, share, 0.0).mean(axis=1)


def informia_tokens(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """InfoRMIA by token: the mean of log p(x | θ) − log p(x) + KL(p ‖ p(· | θ)) over the tokens x.

    p is what the base model says of the next token, and the divergence is over the vocabulary: how
    much more likely this token has become, beside the others that could stand in its place.

    Args:
        evidence: with `token_log_prob`, `base_token_log_prob`, `base_divergence` and
            `token_present`; queries are averaged.

    References:
        Tao and Shokri, "(Token-Level) InfoRMIA: Stronger Membership Inference and Memorization
        Assessment for LLMs", 2025, https://arxiv.org/abs/2510.05582

    Examples:
        >>> import numpy as np
        >>> signals = {"token_log_prob": np.float32([[[[-1.0, -3.0]]]])}
        >>> signals["base_token_log_prob"] = np.float32([[[-2.0, -3.5]]])
        >>> signals["base_divergence"] = np.float32([[[0.5, 1.0]]])
        >>> signals["token_present"] = np.array([[[[True, True]]]])
        >>> print(informia_tokens(Evidence.leave_one_out(signals, np.array([[True]]))))
        [[1.5]]
    """
    there = evidence.target_signal("token_present")
    gain = _gain(evidence) + evidence.target_signal("base_divergence")[:, None]
    total = jnp.where(there, gain, 0.0).sum(axis=-1)
    return (total / jnp.maximum(there.sum(axis=-1), 1).astype(total.dtype)).mean(axis=1)


def _gain(evidence: Evidence) -> Float[Array, "targets queries attacked tokens"]:
    """The growth in log p of each token since the base model."""
    before = evidence.target_signal("base_token_log_prob")[:, None]
    return evidence.target_signal("token_log_prob") - before
