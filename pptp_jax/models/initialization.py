"""How the weights of dense layers begin: the variances that have names."""

import flax.linen as nn

from pptp_jax.validation import one_of

INITIALIZATIONS = ("lecun", "he", "xavier", "ntk")


def weight_variance(name: str, inputs: int, outputs: int, *, last: bool = False) -> float:
    """The variance of each initial weight of a dense layer.

    Args:
        name: `lecun` (1 / inputs), `he` (2 / inputs), `xavier` (2 / (inputs + outputs)) or `ntk`
            (2 / outputs, and 1 / outputs in the last layer).
        inputs: how many values go into the layer.
        outputs: how many come out.
        last: whether it is the last layer.

    Raises:
        ValueError: if the name is unknown.

    References:
        LeCun et al., "Efficient BackProp", 1998; He et al., "Delving Deep into Rectifiers", 2015,
        https://arxiv.org/abs/1502.01852; Glorot and Bengio, "Understanding the Difficulty of
        Training Deep Feedforward Neural Networks", 2010; Allen-Zhu, Li and Song, "A Convergence
        Theory for Deep Learning via Over-Parameterization", 2019, https://arxiv.org/abs/1811.03962

    Examples:
        >>> [weight_variance(name, 20, 30) for name in ("lecun", "he", "xavier")]
        [0.05, 0.1, 0.04]
    """
    one_of(INITIALIZATIONS, initialization=name)
    if name == "ntk":
        return (1.0 if last else 2.0) / outputs
    return {"lecun": 1 / inputs, "he": 2 / inputs, "xavier": 2 / (inputs + outputs)}[name]


def weight_initializer(
    name: str, inputs: int, outputs: int, *, last: bool = False
) -> nn.initializers.Initializer:
    """The normal distribution of that variance, as Flax takes it.

    Args:
        name: as for `weight_variance`, and so are the others.
        inputs: how many values go into the layer.
        outputs: how many come out.
        last: whether it is the last layer.
    """
    return nn.initializers.normal(weight_variance(name, inputs, outputs, last=last) ** 0.5)
