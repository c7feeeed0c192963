"""The optimisers of a GAN's two players."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import optax
from jaxtyping import Array, Float, Int

from pptp_jax.pytree import pytree
from pptp_jax.regions import RegionMap
from pptp_jax.training.optimizer import AdamW
from pptp_jax.validation import Refused, at_least, positive

_PLAYERS = RegionMap.from_rules([("generator/.*", "generator"), (".*", "discriminator")])


@pytree
@dataclass(frozen=True, kw_only=True)
class Players(AdamW):
    """AdamW for the discriminator of a `gan`, and another for its generator.

    A pytree, as `AdamW` is, with the momentum of DCGAN. Both have the schedule, the weight decay
    and the other numbers; each shortens its own gradient to `max_norm`.

    Attributes:
        generator_rate: the generator's learning rate, over that of the discriminator.
        every: the generator takes a step at each so-many-th step of the discriminator.

    Raises:
        ValueError: if a number is out of range; in the transform's `init`, if the parameters are
            not those of a `gan`.

    References:
        Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional
        Generative Adversarial Networks", ICLR 2016, https://arxiv.org/abs/1511.06434 (momentum .5)
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
        Equilibrium", NeurIPS 2017, https://arxiv.org/abs/1706.08500 (two rates)
        Bie, Kamath and Zhang, "Private GANs, Revisited", TMLR 2023,
        https://arxiv.org/abs/2302.02936 (several steps of a private discriminator)

    Examples:
        >>> import jax.numpy as jnp
        >>> params = {"generator": {"w": jnp.ones(1)}, "discriminator": {"w": jnp.ones(1)}}
        >>> tx = Players(learning_rate=0.5, every=2, schedule="constant")(steps=4)
        >>> state = tx.init(params)
        >>> for _ in range(2):
        ...     updates, state = tx.update(params, state, params)
        ...     print(updates["discriminator"]["w"].round(3), updates["generator"]["w"].round(3))
        [-0.5] [0.]
        [-0.5] [-0.5]
    """

    b1: float | Float[Array, ""] = 0.5
    generator_rate: float | Float[Array, ""] = 1.0
    every: int = jax.tree.static(default=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(generator_rate=self.generator_rate)
        at_least(1, every=self.every)

    def __call__(
        self, steps: int | Int[Array, ""], decay: optax.GradientTransformation | None = None
    ) -> optax.GradientTransformation:
        """The transform for a phase whose schedule spans `steps` updates of the discriminator.

        Args:
            steps: how many updates.
            decay: takes the place of the weight decay; None decays all weights alike.
        """
        rate = self.learning_rate * self.generator_rate
        slower = replace(self, learning_rate=rate)
        # Its schedule counts its own steps.
        generator = super(Players, slower).__call__(-(-steps // self.every), decay)
        if self.every > 1:
            generator = optax.conditionally_mask(
                generator, lambda step, **_: step % self.every == self.every - 1
            )
        both = {"generator": generator, "discriminator": super().__call__(steps, decay)}
        return optax.partition(both, _by_player)


def _by_player(params: Any) -> Any:
    """The player that each weight belongs to."""
    try:
        return _PLAYERS.labels(params)
    except Refused as error:
        raise Refused(
            "Players optimise the two networks of a gan, generator and discriminator: take AdamW "
            f"for any other model; {error}"
        ) from None
