"""Transferable adversarial inputs, each for a single query to the attacked model.

References:
    Peng et al., "OSLO: One-Shot Label-Only Membership Inference Attacks", NeurIPS 2024,
    https://arxiv.org/abs/2405.16978
    Dong et al., "Boosting Adversarial Attacks with Momentum", CVPR 2018,
    https://arxiv.org/abs/1710.06081
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from pptp_jax.models import Model, Variables
from pptp_jax.signals.request import SignalRequest, negative_log_prob
from pptp_jax.tasks import Signal
from pptp_jax.validation import Refused, at_least, fraction, positive, several


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """The settings for moving an input until surrogate models mislabel it.

    Attributes:
        thresholds: the probabilities of the label under which the judges' mean shall fall; each
            makes an input of its own.
        epsilon: how far each number of the input may move at most, as a share of the inputs' range.
        budgets: in how many equal parts that is allowed.
        steps: how many steps are made at each of them.
        momentum: the share of the last direction that is kept.

    Raises:
        ValueError: if a number is out of its range, or there is no threshold.

    Examples:
        >>> Transfer(thresholds=(1.5,))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: thresholds[0] must lie between 0 and 1, got 1.5
    """

    thresholds: tuple[float, ...] = (0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.001)
    epsilon: float = 0.5
    budgets: int = 20
    steps: int = 2
    momentum: float = 1.0

    def __post_init__(self) -> None:
        several(thresholds=self.thresholds)
        if not self.thresholds:
            raise Refused("thresholds must be at least one, got none")
        at_least(1, budgets=self.budgets, steps=self.steps)
        fraction(**{f"thresholds[{i}]": own for i, own in enumerate(self.thresholds)})
        positive(epsilon=self.epsilon)
        fraction(momentum=self.momentum)


def transferred_inputs(
    model: Model,
    sources: Variables,
    judges: Variables,
    x: Float[Array, "*input"],
    target: Any,
    bounds: tuple[Float[Array, ""], Float[Array, ""]],
    transfer: Transfer = Transfer(),
) -> Float[Array, "thresholds *input"]:
    """The first input on the way that the judges doubt more than each threshold allows.

    The way leads up the mean loss of the sources, in steps along the sign of the gradients' running
    sum, each gradient divided by its mean size. Each budget is a part of ε larger than the one
    before. An input that no budget makes the judges doubt enough is the last one. No model under
    attack takes part.

    Args:
        model: the network.
        sources: the variables of the models whose gradients are followed, stacked.
        judges: those of the models that say when it is enough, stacked.
        x: the example as a model sees it.
        target: its label.
        bounds: the least and the largest number that an input may hold.
        transfer: how far, and in how many steps.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> model, x = mlp([4], num_classes=2), jnp.full((1, 3), 0.5)
        >>> own = jax.vmap(model.init, in_axes=(0, None))(jax.random.split(jax.random.key(0), 4), x)
        >>> first, last = (jax.tree.map(lambda a, p=p: a[p], own) for p in (slice(2), slice(2, 4)))
        >>> ends = jnp.float32(0), jnp.float32(1)
        >>> transferred_inputs(model, first, last, x[0], jnp.array(1), ends).shape
        (10, 3)
    """
    low, high = bounds
    thresholds = jnp.asarray(transfer.thresholds)
    spread = (-1, *[1] * x.ndim)
    pace = transfer.epsilon * (high - low) / transfer.budgets

    def loss(own: Variables, at: Float[Array, "*input"]) -> Float[Array, ""]:
        return negative_log_prob(model, own, at, target)

    def mean_loss(at: Float[Array, "*input"]) -> Float[Array, ""]:
        return jax.vmap(loss, in_axes=(0, None))(sources, at).mean()

    def doubted(at: Float[Array, "*input"]) -> Shaped[Array, " thresholds"]:
        known = jnp.exp(-jax.vmap(loss, in_axes=(0, None))(judges, at)).mean()
        return known < thresholds

    def budget(
        state: tuple[Array, Array, Array, Array], number: Float[Array, ""]
    ) -> tuple[tuple[Array, Array, Array, Array], None]:
        at, direction, kept, done = state
        radius = number * pace
        for _ in range(transfer.steps):
            gradient = jax.grad(mean_loss)(at)
            size = jnp.maximum(jnp.abs(gradient).mean(), jnp.finfo(gradient.dtype).tiny)
            direction = transfer.momentum * direction + gradient / size
            moved = at + pace * jnp.sign(direction)
            at = jnp.clip(x + jnp.clip(moved - x, -radius, radius), low, high)
        kept = jnp.where(done.reshape(spread), kept, at[None])
        return (at, direction, kept, done | doubted(at)), None

    kept = jnp.broadcast_to(x[None], (len(transfer.thresholds), *x.shape))
    begin = (x, jnp.zeros_like(x), kept, doubted(x))
    numbers = 1 + jnp.arange(transfer.budgets, dtype=x.dtype)
    (_, _, found, _), _ = jax.lax.scan(budget, begin, numbers)
    return found


def _elsewhere(request: SignalRequest) -> Array:
    raise Refused("this signal takes training: take that of pptp_jax.training.transferred_signal()")


TRANSFERRED_CORRECT = Signal(
    name="transferred_correct",
    axes=("models", "thresholds", "examples"),
    access="labels",
    take=_elsewhere,
)
