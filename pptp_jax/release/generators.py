"""Generators of noise for statistics, with parameters to train."""

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from pptp_jax.validation import Refused, at_least, positive, several


class Generator(Protocol):
    """A family of random changes of a statistic."""

    def begin(self, key: Key[Array, ""], statistics: Float[Array, "draws statistics"]) -> Any:
        """Initial parameters, at the scale of some draws of the statistics."""
        ...

    def noise(
        self, params: Any, statistics: Float[Array, " statistics"], key: Key[Array, ""]
    ) -> Float[Array, " statistics"]:
        """The noise that is added to the statistics."""
        ...


@dataclass(frozen=True, kw_only=True)
class GaussianNoise:
    """Independent Gaussian noise; the standard deviation of each statistic is learned.

    Its optimum is known: see `optimal_gaussian_noise`.

    Attributes:
        start: the initial standard deviation, in those of the statistics themselves.

    Raises:
        ValueError: if it is not positive.

    Examples:
        >>> generator = GaussianNoise(start=0.5)
        >>> params = generator.begin(jax.random.key(0), jnp.array([[0.0, 0.0], [2.0, 4.0]]))
        >>> print(jnp.exp(params["log_std"]))
        [0.5 1. ]
    """

    start: float = 1.0

    def __post_init__(self) -> None:
        positive(start=self.start)

    def begin(self, key: Key[Array, ""], statistics: Float[Array, "draws statistics"]) -> Any:
        """As `Generator`.

        Raises:
            ValueError: if a statistic is constant: its noise would be 0 and stay so.
        """
        constant = jnp.flatnonzero(statistics.max(axis=0) == statistics.min(axis=0)).tolist()
        if constant:
            raise Refused(
                f"statistics {constant[:5]}{' ...' * (len(constant) > 5)} are constant in the "
                f"{len(statistics)} opening draws, so GaussianNoise never noises them: leave "
                "constants out, or take NetworkNoise, which noises a rare change too"
            )
        return {"log_std": jnp.log(self.start * statistics.std(axis=0))}

    def noise(
        self, params: Any, statistics: Float[Array, " statistics"], key: Key[Array, ""]
    ) -> Float[Array, " statistics"]:
        """As `Generator`."""
        return jnp.exp(params["log_std"]) * jax.random.normal(key, statistics.shape)


@dataclass(frozen=True, kw_only=True)
class NetworkNoise:
    """Noise of any shape, which may depend on the statistics.

    A perceptron sees the statistics and normal numbers. A multiple of each statistic and
    independent Gaussian noise are added, both learned.

    Attributes:
        hidden: the widths of the perceptron's hidden layers.
        latents: how many normal numbers it sees besides.
        start: the initial standard deviation of the Gaussian noise, in those of the statistics.

    Raises:
        ValueError: if a number is out of range.

    Examples:
        >>> generator = NetworkNoise(hidden=(8,), latents=2)
        >>> params = generator.begin(jax.random.key(0), jnp.array([[0.0, 0.0], [2.0, 4.0]]))
        >>> generator.noise(params, jnp.array([1.0, 2.0]), jax.random.key(1)).shape
        (2,)
    """

    hidden: tuple[int, ...] = (64,)
    latents: int = 8
    start: float = 1.0

    def __post_init__(self) -> None:
        several(hidden=self.hidden)
        at_least(1, **{f"hidden[{i}]": width for i, width in enumerate(self.hidden)})
        at_least(1, latents=self.latents, hidden_layers=len(self.hidden))
        positive(start=self.start)

    def _model(self, statistics: int) -> Any:
        from pptp_jax.models import mlp  # loads Flax

        return mlp(self.hidden, num_classes=statistics, activation="relu")

    def begin(self, key: Key[Array, ""], statistics: Float[Array, "draws statistics"]) -> Any:
        """As `Generator`."""
        count = statistics.shape[1]
        scale = statistics.std(axis=0)
        network, _ = self._model(count).init(key, jnp.zeros((1, count + self.latents)))
        # Constants of the data: no gradient reaches them.
        constants = {"mean": statistics.mean(axis=0), "scale": jnp.where(scale > 0, scale, 1.0)}
        log_std = jnp.full(count, jnp.log(self.start))
        return {
            "network": jax.tree.map(lambda leaf: leaf / 4, network),
            "slope": jnp.zeros(count),
            "log_std": log_std,
            "constants": constants,
        }

    def noise(
        self, params: Any, statistics: Float[Array, " statistics"], key: Key[Array, ""]
    ) -> Float[Array, " statistics"]:
        """As `Generator`."""
        constants = jax.lax.stop_gradient(params["constants"])
        x = (statistics - constants["mean"]) / constants["scale"]
        seen, added = jax.random.split(key)
        inputs = jnp.append(x, jax.random.normal(seen, (self.latents,)))
        bent, _ = self._model(len(x)).apply(
            params["network"], {}, inputs[None], train=False, key=None
        )
        gaussian = jnp.exp(params["log_std"]) * jax.random.normal(added, x.shape)
        return constants["scale"] * (bent[0] + params["slope"] * x + gaussian)
