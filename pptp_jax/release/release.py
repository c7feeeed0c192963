"""The base class of releases."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from jaxtyping import Array, Float, Key

Predict = Callable[[Float[Array, "batch ..."]], Float[Array, "batch classes"]]


class Release(ABC):
    """What a model answers in place of its logits: plain frozen data that can be called.

    A release is a part of a defence that trains nothing. It must be a pytree, and an attacker sees
    its answers alone.

    Attributes:
        name: what a table calls it.
        needs_classes: whether it takes outputs for logits.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from dataclasses import dataclass
        >>> from pptp_jax.pytree import pytree
        >>> @pytree
        ... @dataclass(frozen=True)
        ... class ClassOnly(Release):
        ...     name = "class_only"
        ...
        ...     def __call__(self, predict, x, logits, key):
        ...         return jax.nn.one_hot(logits.argmax(-1), logits.shape[-1])
        >>> print(ClassOnly()(None, None, jnp.array([[0.3, 0.1]]), None))
        [[1. 0.]]
    """

    name: ClassVar[str]
    needs_classes: ClassVar[bool] = True

    @abstractmethod
    def __call__(
        self,
        predict: Predict,
        x: Float[Array, "batch ..."],
        logits: Float[Array, "batch classes"],
        key: Key[Array, ""],
    ) -> Float[Array, "batch classes"]:
        """The released logits.

        Args:
            predict: the model in eval mode, from inputs to logits.
            x: the queried inputs.
            logits: predict(x).
            key: randomness of this query.
        """
