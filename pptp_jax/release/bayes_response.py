"""A learned Bayes-optimal attacker on a release, and its cross-entropy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Key

from pptp_jax.metrics import Estimate
from pptp_jax.models import Model
from pptp_jax.validation import Refused, at_least, positive, several

# Who is in, and a key: what is published.
Publish = Callable[[Bool[Array, " people"], Key[Array, ""]], Float[Array, " numbers"]]


@dataclass(frozen=True, kw_only=True)
class AttackerTraining:
    """The training of the attacker's network.

    Attributes:
        hidden: the widths of its hidden layers.
        steps: how many batches of fresh draws.
        batch_size: draws in a batch.
        learning_rate: of Adam; falls to 0 along a cosine.

    Raises:
        ValueError: if a number is out of range.

    Examples:
        >>> AttackerTraining(steps=500).batch_size
        256
    """

    hidden: tuple[int, ...] = (64,)
    steps: int = 2000
    batch_size: int = 256
    learning_rate: float = 3e-3

    def __post_init__(self) -> None:
        several(hidden=self.hidden)
        at_least(1, **{f"hidden[{i}]": width for i, width in enumerate(self.hidden)})
        at_least(1, hidden_layers=len(self.hidden), steps=self.steps, batch_size=self.batch_size)
        positive(learning_rate=self.learning_rate)


class BayesResponse(NamedTuple):
    """An attacker that was trained to the best response, and its strength.

    Attributes:
        posterior: from releases (draws, numbers) to each person's probability of membership.
        cross_entropy: on fresh draws, in nats, summed over people. Its expectation is at least
            H(b | release), whatever the attacker.
        prior_entropy: the same for an attacker that knows the prior alone, H(b).
        uncertainty_left: S, the ratio of the two: 1 if the release says nothing, 0 if it says all.
    """

    posterior: Callable[[Float[Array, "draws numbers"]], Float[Array, "draws people"]]
    cross_entropy: Estimate
    prior_entropy: float
    uncertainty_left: Estimate


def bayes_response(
    release: Publish,
    prior: Float[Array, " people"],
    key: Key[Array, ""],
    *,
    training: AttackerTraining = AttackerTraining(),
    held_out: Publish | None = None,
    draws: int = 20_000,
) -> BayesResponse:
    r"""Trains an attacker to predict membership from a release, under cross-entropy.

    The best response under cross-entropy is the posterior, which serves an attacker of any taste
    for true and false positives: claim membership where its odds exceed the price. Its
    cross-entropy is \(H(b | r)\), so that \(1 - S\) is the mutual information per nat of prior
    uncertainty, person by person. A network that has not converged leaves more: S is an upper
    bound on what is left, and what the attacker learned a lower bound on what leaks.

    Args:
        release: `release(members, key)`, from who is in (people,) to the published numbers; JAX
            must be able to trace it. For the answers of trained models see `drawn_answers`.
        prior: each person's probability to be in, independently of the others.
        key: what initial values and draws derive from.
        training: of the attacker's network.
        held_out: the release that the attacker is tested on; None is the same, which is right
            where each draw is fresh.
        draws: how many releases the cross-entropy is measured on. Its interval takes them for
            independent.

    Raises:
        ValueError: if a prior is not between 0 and 1, a number is out of range, or a release is no
            vector of finite numbers.

    References:
        Zhang et al., 2024, https://arxiv.org/abs/2410.07414, call it the Bayes generative privacy
        response; the share S is ours

    Examples:
        A bit under Gaussian noise of standard deviation 1 leaves .84 of its uncertainty:

        >>> def release(members, key):
        ...     return members.astype(jnp.float32) + jax.random.normal(key, (1,))
        >>> found = bayes_response(release, jnp.array([0.5]), jax.random.key(0),
        ...                        training=AttackerTraining(steps=300))
        >>> round(found.uncertainty_left.value, 1)
        0.8
    """
    prior = check_prior(prior)
    at_least(2, draws=draws)
    start, train, test = jax.random.split(key, 3)
    sample = drawn(release, prior)
    network = Attacker.begin(start, sample, training)
    optimizer = optax.adam(optax.cosine_decay_schedule(training.learning_rate, training.steps))

    def step(carry: Any, key: Array) -> tuple[Any, None]:
        params, state = carry
        members, released = sample(key, training.batch_size)
        grads = jax.grad(network.cross_entropy)(params, members, released)
        return descended(optimizer, grads, params, state), None

    @jax.jit
    def fit(params: Any, key: Array) -> Any:
        carry = params, optimizer.init(params)
        return jax.lax.scan(step, carry, jax.random.split(key, training.steps))[0][0]

    params = fit(network.params, train)
    measured = drawn(held_out or release, prior, len(network.mean))

    @jax.jit
    def test_losses(key: Array) -> Array:
        members, released = measured(key, min(draws, 1000))
        return network.losses(params, members, released).sum(axis=1)

    keys = jax.random.split(test, -(-draws // 1000))
    losses = np.concatenate([np.asarray(test_losses(one), float) for one in keys])[:draws]
    if not np.isfinite(losses).all():
        raise Refused(
            "the release must be finite: a draw held nan or infinity, or training diverged"
        )
    entropy = float(_entropy(np.asarray(prior, float)).sum())
    value, error = losses.mean(), 1.96 * losses.std(ddof=1) / len(losses) ** 0.5
    bounds = [float(value), float(value - error), float(value + error)]
    return BayesResponse(
        jax.jit(lambda released: jax.nn.sigmoid(network.log_odds(params, released))),
        Estimate(*bounds),
        entropy,
        Estimate(*(bound / entropy for bound in bounds)),
    )


def drawn_answers(
    answers: Float[Array, "models examples numbers"], membership: Bool[Array, "models examples"]
) -> Publish:
    """The answers of trained models as a release about one person.

    The person is one of the examples, drawn at random, and so is the model: one that has trained on
    it if the person is in, and one that has not otherwise. Give `bayes_response` some models of a
    fleet to learn from and others as `held_out`.

    Args:
        answers: what each model answers for each example, or signals of that.
        membership: which model has trained on which example.

    Raises:
        ValueError: if the shapes disagree, or there are no members or no non-members.

    Examples:
        >>> answers = jnp.array([[[0.9], [0.1]], [[0.2], [0.8]]])
        >>> release = drawn_answers(answers, jnp.array([[True, False], [False, True]]))
        >>> bool(release(jnp.array([True]), jax.random.key(0))[0] > 0.5)
        True
    """
    if answers.ndim != 3 or answers.shape[:2] != membership.shape:
        raise Refused(
            "answers need shape (models, examples, numbers) and membership (models, examples), got "
            f"{answers.shape} and {membership.shape}"
        )
    flat, member = (
        jnp.asarray(answers).reshape(-1, answers.shape[2]),
        np.asarray(membership).ravel(),
    )
    if member.all() or not member.any():
        raise Refused("answers to both members and non-members are needed")
    kinds = [flat[np.flatnonzero(member == kind)] for kind in (False, True)]

    def release(members: Bool[Array, " people"], key: Key[Array, ""]) -> Float[Array, " numbers"]:
        if len(members) != 1:
            raise Refused(
                f"answers are about one person: prior must hold one number, got {len(members)}"
            )
        other, own = (kind[jax.random.randint(key, (), 0, len(kind))] for kind in kinds)
        return jnp.where(members[0], own, other)

    return release


class Attacker(NamedTuple):
    """An attacker's network on standardised releases: a linear part and a perceptron.

    Attributes:
        model: the perceptron.
        state: its state, which holds nothing.
        params: initial values of both parts.
        mean: of the released numbers.
        scale: their standard deviations.
    """

    model: Model
    state: Any
    params: Any
    mean: Float[Array, " numbers"]
    scale: Float[Array, " numbers"]

    @classmethod
    def begin(
        cls, key: Key[Array, ""], sample: Callable[..., Any], training: AttackerTraining
    ) -> "Attacker":
        """One that answers about the prior, for releases as `sample` draws them."""
        from pptp_jax.models import mlp  # loads Flax

        seen, start = jax.random.split(key)
        members, released = sample(seen, 1024)
        people = members.shape[1]
        model = mlp(training.hidden, num_classes=people, activation="relu")
        network, state = model.init(start, released[:1])
        shape = released.shape[1], people
        params = {"network": network, "linear": jnp.zeros(shape, jnp.float32)}
        scale = released.std(axis=0)
        return cls(model, state, params, released.mean(axis=0), jnp.where(scale > 0, scale, 1.0))

    def log_odds(
        self, params: Any, released: Float[Array, "draws numbers"]
    ) -> Float[Array, "draws people"]:
        """The log-odds of membership; linear for Gaussian releases, which are learned at once."""
        x = (released - self.mean[None]) / self.scale[None]
        bent, _ = self.model.apply(params["network"], self.state, x, train=False, key=None)
        return x @ params["linear"] + bent

    def losses(
        self, params: Any, members: Bool[Array, "draws people"], released: Array
    ) -> Float[Array, "draws people"]:
        """The cross-entropy of each draw and person."""
        odds = self.log_odds(params, released)
        return optax.sigmoid_binary_cross_entropy(odds, members.astype(jnp.float32))

    def cross_entropy(self, params: Any, members: Array, released: Array) -> Float[Array, ""]:
        """Their mean."""
        return self.losses(params, members, released).mean()


def drawn(
    release: Publish, prior: Float[Array, " people"], numbers: int | None = None
) -> Callable[[Key[Array, ""], int], tuple[Bool[Array, "draws people"], Float[Array, "draws _"]]]:
    """A sampler of membership and releases: a function of a key and a number of draws."""
    made = jax.eval_shape(release, jnp.zeros(len(prior), bool), jax.random.key(0))
    if getattr(made, "ndim", None) != 1 or not made.size:
        raise Refused(
            f"release must return a vector of numbers, got {getattr(made, 'shape', type(made))}"
        )
    if numbers not in (None, made.size):
        raise Refused(
            f"held_out must publish as many numbers as release, {numbers}, got {made.size}"
        )

    def sample(key: Key[Array, ""], count: int) -> tuple[Array, Array]:
        who, what = jax.random.split(key)
        members = jax.random.bernoulli(who, jnp.broadcast_to(prior, (count, len(prior))))
        return members, jax.vmap(release)(members, jax.random.split(what, count))

    return sample


def descended(
    optimizer: optax.GradientTransformation, grads: Any, params: Any, state: Any
) -> tuple[Any, Any]:
    """The parameters and the optimiser's state after a step."""
    # Adam takes a float to the power of the step, which is an integer.
    with jax.numpy_dtype_promotion("standard"):
        updates, state = optimizer.update(grads, state)
    return optax.apply_updates(params, updates), state


def check_prior(prior: Float[Array, " people"]) -> Float[Array, " people"]:
    """Refuses a prior without a probability strictly between 0 and 1 for each person."""
    each = np.asarray(prior, np.float32)
    if each.ndim != 1 or not len(each) or not ((each > 0) & (each < 1)).all():
        raise Refused(
            "prior must hold one probability between 0 and 1, and neither, for each person"
        )
    return jnp.asarray(each)


def _entropy(prior: Float[np.ndarray, " people"]) -> Float[np.ndarray, " people"]:
    return -prior * np.log(prior) - (1 - prior) * np.log1p(-prior)
