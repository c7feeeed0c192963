"""The inputs and outputs of a GAN's generator and discriminator."""

from typing import NamedTuple

from jaxtyping import Array, Float, Int

Scores = Float[Array, " batch"]


class Drawn(NamedTuple):
    """The inputs of a generator.

    Attributes:
        noise: the latent vectors.
        labels: the classes that the examples shall have.

    Examples:
        >>> import jax.numpy as jnp
        >>> Drawn(jnp.zeros((4, 32)), jnp.arange(4)).noise.shape
        (4, 32)
    """

    noise: Float[Array, "batch latent"]
    labels: Int[Array, " batch"]


class Shown(NamedTuple):
    """The inputs of a discriminator.

    Attributes:
        inputs: examples, real or made up.
        labels: their classes.

    Examples:
        >>> import jax.numpy as jnp
        >>> Shown(jnp.zeros((4, 8, 8, 1)), jnp.arange(4)).inputs.shape
        (4, 8, 8, 1)
    """

    inputs: Float[Array, "batch ..."]
    labels: Int[Array, " batch"]


class Contested(NamedTuple):
    """The outputs of both players on a batch in training.

    Attributes:
        real: the discriminator's scores of the examples.
        fake: its scores of as many made-up ones, which move the discriminator alone.
        fooled: the same scores, which move the generator alone.
        penalty: the penalty on the discriminator's slope, before its weight.
    """

    real: Scores
    fake: Scores
    fooled: Scores
    penalty: Scores


class Verdict(NamedTuple):
    """The outputs of a GAN on examples in eval mode.

    Attributes:
        score: the discriminator's score: the larger, the more it takes the example for a real one.
        distance: the root mean squared difference to the nearest made-up example.

    Examples:
        >>> import jax.numpy as jnp
        >>> print(Verdict(score=jnp.array([1.5]), distance=jnp.array([0.2])).score)
        [1.5]
    """

    score: Scores
    distance: Scores
