"""Language: the next token of a sequence, by networks that answer with one score a token."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.tasks.batch import Batch
from pptp_jax.tasks.classification import logit_scaled_confidence
from pptp_jax.tasks.signal import Signal
from pptp_jax.tasks.task import Task, by_query
from pptp_jax.validation import Refused

Logits = Float[Array, "batch tokens vocabulary"]
Tokens = Int[Array, "batch tokens"]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Language(Task):
    r"""Networks that see tokens, and answer at each place with logits of the next one.

    The targets are the next tokens, −1 where a place has none. Such places count nowhere: every
    mean below is over a sequence's own tokens. With \(\bar\ell\), the mean of \(\log p\) of the
    tokens, the log-probability of a sequence is \(\bar\ell\): that of the geometric mean of its
    tokens' probabilities, which lies in (0, 1] and does not shrink with length, as RMIA and BASE
    need it. The confidence is the log-odds of the same mean,
    \(\phi = \bar\ell - \log(1 - e^{\bar\ell})\). It is about Gaussian over models
    (`pptp_jax.metrics.normality`; docs/attacks.md has figures). Where models do not know a sequence
    well it is nearly \(\bar\ell\); where they have memorised it \(\bar\ell\) nears its bound 0 and
    becomes skewed, and its log-odds do not. The utility is bits a token,
    \(-\bar\ell / \log 2\), averaged over sequences, short and long alike.

    Signals have an axis `tokens`, and are made of the logits where these are; logits are not kept:

    - `token_log_prob`: \(\log p\) of each token;
    - `token_mean` and `token_deviation`: mean and standard deviation of \(\log p(v)\) where \(v\)
      is drawn from the model's own answer, \(\mu = \sum_v p \log p\) and
      \(\sigma^2 = \sum_v p \log^2 p - \mu^2\);
    - `token_first`: whether the token was the model's first choice;
    - `token_present`: False at a place without a token, where the others are 0 or False.

    References:
        Carlini et al., "Membership Inference Attacks From First Principles", 2022,
        https://arxiv.org/abs/2112.03570 (the log-odds of a label)
        Zhang et al., "Min-K%++: Improved Baseline for Detecting Pre-Training Data from Large
        Language Models", 2024, https://arxiv.org/abs/2404.02936 (\(\mu\) and \(\sigma\))

    Examples:
        >>> batch = Batch(jnp.zeros((1, 3), int), jnp.array([[1, 0, -1]]))
        >>> print(Language().losses(jnp.zeros((1, 3, 2)), batch))
        [0.6931472]
        >>> print(Language().utility(jnp.zeros((1, 3, 2)), batch.targets))
        [1.]
    """

    name: ClassVar[str] = "language"
    utility_name: ClassVar[str] = "bits per token"
    higher_is_better: ClassVar[bool] = False

    @property
    def signals(self) -> tuple[Signal, ...]:
        """φ and the log-probability of a sequence, and the log-probabilities of its tokens."""
        tokens = ("tokens",)
        return (
            by_query("confidence", self.confidence, at="stops"),
            Signal(
                name="log_prob",
                axes=("models", "queries", "examples"),
                access="scores",
                derive=lambda confidence: jax.nn.log_sigmoid(confidence),
            ),
            by_query("token_log_prob", token_log_prob, answer=tokens),
            by_query("token_mean", lambda *seen: token_moments(*seen)[0], answer=tokens),
            by_query("token_deviation", lambda *seen: token_moments(*seen)[1], answer=tokens),
            by_query("token_first", token_first, access="labels", answer=tokens),
            by_query("token_present", lambda _, targets: present(targets), answer=tokens),
        )

    def losses(self, outputs: Logits, batch: Batch) -> Float[Array, " batch"]:
        """The mean of −log p over each sequence's own tokens."""
        assert batch.targets is not None
        # In training the plain difference: its gradient is softmax minus the token.
        log_p = jax.nn.log_softmax(outputs)
        own = jnp.maximum(batch.targets, 0)[..., None]
        return -_mean(jnp.take_along_axis(log_p, own, axis=-1)[..., 0], batch.targets)

    def confidence(self, answers: Logits, targets: Tokens) -> Float[Array, " batch"]:
        """φ, the log-odds of the geometric mean of the tokens' probabilities."""
        log_p = self.log_prob(answers, targets)
        # Where all tokens are certain to the last bit, φ is large and finite.
        rest = jnp.maximum(-jnp.expm1(log_p), jnp.finfo(log_p.dtype).tiny)
        return log_p - jnp.log(rest)

    def log_prob(self, answers: Logits, targets: Tokens) -> Float[Array, " batch"]:
        """The mean of log p over each sequence's own tokens."""
        return _mean(token_log_prob(answers, targets), targets)

    def utility(self, answers: Logits, targets: Tokens) -> Float[Array, " batch"]:
        """Bits a token: the mean of −log₂ p over each sequence's own tokens."""
        return -self.log_prob(answers, targets) / math.log(2)

    def teaching(self, outputs: Logits) -> Logits:
        """The probabilities."""
        return jax.nn.softmax(outputs)

    def check(self, outputs: Any, data: Any) -> None:
        """Refuses data without tokens, and a model that does not answer for each of them.

        Raises:
            ValueError: saying what does not fit.
        """
        if data.vocabulary is None or data.y.dtype.kind not in "iu" or data.num_classes is not None:
            raise Refused(
                f"{data.name} has no next tokens: language needs a vocabulary, no classes, and "
                "token ids as inputs and targets, as pptp_jax.data.Text makes them"
            )
        shape, tokens = getattr(outputs, "shape", None), data.y.shape[1]
        if shape is None or len(shape) != 3 or shape[1] != tokens or shape[2] < data.vocabulary:
            found = "a structure of arrays" if shape is None else f"shape {shape}"
            raise Refused(
                f"{data.name} has {tokens} tokens an example of a vocabulary of {data.vocabulary}, "
                f"so the model must return logits of shape (batch, {tokens}, {data.vocabulary} or "
                f"more); it returns {found}"
            )


def present(targets: Tokens) -> Bool[Array, "batch tokens"]:
    """The places that have a token."""
    return targets >= 0


def token_log_prob(answers: Logits, targets: Tokens) -> Float[Array, "batch tokens"]:
    """Log p of each token, to full precision where p is near 1; 0 where there is none."""
    log_p = jax.nn.log_sigmoid(logit_scaled_confidence(answers, targets))
    return jnp.where(present(targets), log_p, 0.0)


def token_moments(
    answers: Logits, targets: Tokens
) -> tuple[Float[Array, "batch tokens"], Float[Array, "batch tokens"]]:
    """Mean and standard deviation of the log-probability of a token drawn from the answer."""
    log_p = jax.nn.log_softmax(answers)
    p = jnp.exp(log_p)
    log_p = jnp.where(p > 0, log_p, 0.0)  # what is impossible adds nothing
    mean = (p * log_p).sum(-1)
    deviation = jnp.sqrt((p * (log_p - mean[..., None]) ** 2).sum(-1))
    there = present(targets)
    return jnp.where(there, mean, 0.0), jnp.where(there, deviation, 0.0)


def token_first(answers: Logits, targets: Tokens) -> Bool[Array, "batch tokens"]:
    """Whether each token was the model's first choice."""
    return (answers.argmax(axis=-1) == targets) & present(targets)


def _mean(values: Float[Array, "batch tokens"], targets: Tokens) -> Float[Array, " batch"]:
    there = present(targets)
    count = there.sum(axis=-1, dtype=values.dtype)
    return jnp.where(there, values, 0.0).sum(axis=-1) / jnp.maximum(count, 1.0)
