"""The game of a generator of noise against an attacker, and the fresh attacker that judges it."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from pptp_jax.metrics import Estimate
from pptp_jax.release.bayes_response import (
    Attacker,
    AttackerTraining,
    BayesResponse,
    Publish,
    bayes_response,
    check_prior,
    descended,
    drawn,
)
from pptp_jax.release.generators import Generator
from pptp_jax.validation import at_least, not_negative, one_of, positive

PRIVACY = ("cross_entropy", "belief")


@dataclass(frozen=True, kw_only=True)
class Game:
    """The settings of the game: the loss of both sides, and the number of steps.

    The attacker minimises cross-entropy. The defender minimises a privacy loss plus
    `utility_weight` times the expected squared error of what is published. The game is general-sum:
    the attacker does not pay for the error, and with `belief` the two privacy losses differ too.

    Attributes:
        utility_weight: of the squared error E‖r − x‖² against the privacy loss of a person.
        privacy: the defender's loss: `belief`, the attacker's probability of membership summed over
            members; or `cross_entropy`, minus the attacker's own loss. Both are divided by the
            number of people.
        rounds: steps of the generator.
        attacker_steps: steps of the attacker before each.
        batch_size: draws in a batch of either.
        learning_rate: of both; that of the generator falls to 0 along a cosine.
        attacker: the widths of the attacker's hidden layers in the game.

    Raises:
        ValueError: if a number is out of range.

    Examples:
        >>> Game(utility_weight=10.0).privacy
        'belief'
    """

    utility_weight: float
    privacy: Literal["belief", "cross_entropy"] = "belief"
    rounds: int = 1000
    attacker_steps: int = 3
    batch_size: int = 256
    learning_rate: float = 3e-3
    attacker: tuple[int, ...] = (64,)

    def __post_init__(self) -> None:
        not_negative(utility_weight=self.utility_weight)
        one_of(PRIVACY, privacy=self.privacy)
        at_least(
            1,
            rounds=self.rounds,
            attacker_steps=self.attacker_steps,
            batch_size=self.batch_size,
        )
        positive(learning_rate=self.learning_rate)
        AttackerTraining(hidden=self.attacker)


class TrainedRelease(NamedTuple):
    """A release with trained noise, and the strength of a fresh attacker on it.

    Attributes:
        release: from who is in and a key to the published numbers.
        params: the generator's.
        squared_error: E‖r − x‖².
        response: of an attacker that never played, trained on the finished generator.
        opponent: the cross-entropy of the attacker that did play, in its last rounds: what the game
            itself would have reported.
    """

    release: Publish
    params: Any
    squared_error: Estimate
    response: BayesResponse
    opponent: float


def train_release(
    statistic: Publish,
    prior: Float[Array, " people"],
    generator: Generator,
    key: Key[Array, ""],
    *,
    game: Game,
    training: AttackerTraining = AttackerTraining(),  # noqa: B008
    held_out: Publish | None = None,
    draws: int = 20_000,
) -> TrainedRelease:
    """Trains noise for a statistic against an attacker, and judges it by a fresh one.

    Attacker and generator take steps in turn. The attacker of the game may lag behind or be led
    astray, so that its own loss says nothing reliable. Therefore the generator is frozen at the end
    and `bayes_response` trains another attacker on it from the beginning.

    Args:
        statistic: the exact statistic, from who is in and a key. The key draws whatever the
            attacker does not know of the data, such as the other people.
        prior: as in `bayes_response`.
        generator: the family of noise, such as `GaussianNoise` or `NetworkNoise`.
        key: what everything derives from.
        game: what is played.
        training: of the fresh attacker.
        held_out: the statistic that the fresh attacker is tested on; None is the same.
        draws: as in `bayes_response`.

    Raises:
        ValueError: as `bayes_response`.

    References:
        Zhang et al., "Bayes-Nash Generative Privacy Against Membership Inference Attacks", 2024,
        https://arxiv.org/abs/2410.07414; losses and training are our reconstruction

    Examples:
        >>> def statistic(members, key):
        ...     return members.astype(jnp.float32) + jax.random.normal(key, (1,)) / 4
        >>> from pptp_jax.release import GaussianNoise
        >>> found = train_release(statistic, jnp.array([0.5]), GaussianNoise(), jax.random.key(0),
        ...                       game=Game(utility_weight=0.01, rounds=100),
        ...                       training=AttackerTraining(steps=100))
        >>> bool(found.squared_error.value > 0.25)
        True
    """
    prior = check_prior(prior)
    seen, begin, attack, play, judge, measure = jax.random.split(key, 6)
    sample = drawn(statistic, prior)
    start = generator.begin(begin, sample(seen, 1024)[1])

    def published(exact: Publish, params: Any) -> Publish:
        def release(members: Array, key: Array) -> Array:
            first, second = jax.random.split(key)
            found = exact(members, first)
            return found + generator.noise(params, found, second)

        return release

    def batch(params: Any, key: Array) -> tuple[Array, Array, Array]:
        first, second = jax.random.split(key)
        members, exact = sample(first, game.batch_size)
        keys = jax.random.split(second, game.batch_size)
        noise = jax.vmap(generator.noise, (None, 0, 0))(params, exact, keys)
        return members, exact + noise, noise

    opponent = Attacker.begin(
        attack, drawn(published(statistic, start), prior), AttackerTraining(hidden=game.attacker)
    )
    attacks = optax.adam(game.learning_rate)
    defends = optax.adam(optax.cosine_decay_schedule(game.learning_rate, game.rounds))

    def loss(params: Any, attacker: Any, key: Array) -> Array:
        members, released, noise = batch(params, key)
        if game.privacy == "belief":
            believed = jax.nn.sigmoid(opponent.log_odds(attacker, released))
            privacy = jnp.where(members, believed, 0.0).mean()
        else:
            privacy = -opponent.cross_entropy(attacker, members, released)
        return privacy + game.utility_weight * jnp.square(noise).sum(axis=1).mean()

    def attack_step(params: Any, carry: Any, key: Array) -> tuple[Any, Array]:
        attacker, state = carry
        members, released, _ = batch(params, key)
        value, grads = jax.value_and_grad(opponent.cross_entropy)(attacker, members, released)
        return descended(attacks, grads, attacker, state), value

    def turn(carry: tuple[Any, Any, Any], key: Array) -> tuple[Any, Array]:
        params, state, attacking = carry
        own, *others = jax.random.split(key, 1 + game.attacker_steps)
        attacking, values = jax.lax.scan(
            lambda carry, key: attack_step(params, carry, key), attacking, jnp.stack(others)
        )
        grads = jax.grad(loss)(params, attacking[0], own)
        params, state = descended(defends, grads, params, state)
        return (params, state, attacking), values.mean()

    @jax.jit
    def played(params: Any, key: Array) -> tuple[Any, Array]:
        begun = opponent.params, attacks.init(opponent.params)
        carry: Any = params, defends.init(params), begun
        carry, values = jax.lax.scan(turn, carry, jax.random.split(key, game.rounds))
        return carry[0], values[-max(1, game.rounds // 10) :].mean()

    params, last = played(start, play)

    @jax.jit
    def errors(key: Array) -> Array:
        return jnp.square(batch(params, key)[2]).sum(axis=1)

    squares = np.concatenate([errors(one) for one in jax.random.split(measure, 20)])
    half = 1.96 * squares.std(ddof=1) / len(squares) ** 0.5
    value = float(squares.mean())
    response = bayes_response(
        published(statistic, params),
        prior,
        judge,
        training=training,
        held_out=held_out and published(held_out, params),
        draws=draws,
    )
    return TrainedRelease(
        published(statistic, params),
        params,
        Estimate(value, float(value - half), float(value + half)),
        response,
        float(last) * len(prior),
    )
