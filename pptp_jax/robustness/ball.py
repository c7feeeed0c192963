"""The perturbations of an input that an attacker may choose."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from pptp_jax.pytree import pytree
from pptp_jax.validation import not_negative, one_of

Norm = Literal["linf", "l2"]
NORMS: tuple[Norm, ...] = ("linf", "l2")


@pytree
@dataclass(frozen=True, kw_only=True)
class Ball:
    """A ball round an example, cut by the range of the data.

    A pytree whose numbers may be mapped or swept without compiling again.

    Attributes:
        epsilon: the radius, in units of the inputs as the model sees them.
        low: the least that an input can be.
        high: the most.
        norm: `linf`, the largest change of an input, or `l2`, the Euclidean length of the change.

    Raises:
        ValueError: if the radius is negative, or there is no such norm.

    Examples:
        >>> ball = Ball(epsilon=0.1, low=0.0, high=1.0)
        >>> print(ball.nearest(jnp.array([0.5, 0.95]), jnp.array([0.7, 2.0])))
        [0.6 1. ]
    """

    epsilon: float | Float[Array, ""]
    low: float | Float[Array, ""]
    high: float | Float[Array, ""]
    norm: Norm = jax.tree.static(default="linf")  # noqa: RUF009 - a field

    def __post_init__(self) -> None:
        not_negative(epsilon=self.epsilon)
        one_of(NORMS, norm=self.norm)

    def nearest(self, x: Float[Array, "*input"], point: Float[Array, "*input"]) -> Array:
        """The point of the ball round one example that is nearest to some point, then cut.

        Args:
            x: the example, within the range.
            point: any point.
        """
        change = point - x
        if self.norm == "linf":
            change = jnp.clip(change, -self.epsilon, self.epsilon)
        else:
            change = change * jnp.minimum(1.0, self.epsilon / jnp.maximum(_length(change), _TINY))
        # x lies within the range, so that the cut takes no input further away from it.
        return jnp.clip(x + change, self.low, self.high)

    def steepest(self, gradient: Float[Array, "*input"]) -> Float[Array, "*input"]:
        """The change of length 1 along which a function with this gradient grows fastest."""
        if self.norm == "linf":
            return jnp.sign(gradient)
        return gradient / jnp.maximum(_length(gradient), _TINY)

    def draw(self, key: Key[Array, ""], x: Float[Array, "*input"]) -> Float[Array, "*input"]:
        """A random point of the ball round one example, uniform but for the cut."""
        if self.norm == "linf":
            change = jax.random.uniform(key, x.shape, minval=-1.0, maxval=1.0)
        else:
            towards, far = jax.random.split(key)
            direction = self.steepest(jax.random.normal(towards, x.shape))
            change = direction * jax.random.uniform(far) ** (1 / x.size)
        return self.nearest(x, x + self.epsilon * change)


_TINY = 1e-30


def _length(change: Float[Array, "*input"]) -> Float[Array, ""]:
    # Of the largest entry apart, so that the squares of small gradients do not vanish.
    largest = jnp.maximum(jnp.abs(change).max(), _TINY)
    return largest * jnp.sqrt(jnp.square(change / largest).sum())
