"""HAMP, the part at test time: release nothing but the order of the classes."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from pptp_jax.pytree import pytree
from pptp_jax.release.release import Predict, Release
from pptp_jax.validation import Refused, finite, one_of, python_number

KINDS = ("real", "binary")


@pytree
@dataclass(frozen=True, kw_only=True)
class OrderOnly(Release):
    """The logits of a random input, in the order of the true logits.

    Each answer holds the numbers that the model gives for a random input of its own, the largest at
    the class whose true logit is the largest, and so on. So the predicted class is kept, and of the
    true logits only their order is released. Where two true logits are equal, the lower class
    gets the larger number, so that `argmax` stays what it was. Only if the two largest numbers of
    the random input's answer are equal themselves may `argmax` find another class.

    Random inputs are uniform on [low, high), or fair bits. A random input depends on the key alone:
    an attacker who repeats a query with other keys learns nothing more from it.

    Deviations from the published code: it draws pixels from 0, 1/255, ..., 254/255; and where true
    logits are equal, it gives all of them the same one of the random input's numbers.

    Attributes:
        kind: `real` or `binary`: the inputs that the model knows.
        low: where real inputs begin.
        high: where they end. Inputs that were normalised need their own range here.

    References:
        Chen and Pattabiraman, "Overconfidence is a Dangerous Thing: Mitigating Membership
        Inference Attacks by Enforcing Less Confident Prediction", NDSS 2024,
        https://arxiv.org/abs/2307.01610; https://github.com/DependableSystemsLab/MIA_defense_HAMP

    Examples:
        >>> def predict(x):
        ...     return jnp.array([[7.0, 9.0, 8.0]])
        >>> x, logits = jnp.zeros((1, 4)), jnp.array([[0.2, 0.1, 0.9]])
        >>> print(OrderOnly()(predict, x, logits, jax.random.key(0)))
        [[8. 7. 9.]]
    """

    name: ClassVar[str] = "order_only"
    kind: Literal["real", "binary"] = field(default="real", metadata={"static": True})
    low: float | Float[Array, ""] = 0.0
    high: float | Float[Array, ""] = 1.0

    def __post_init__(self) -> None:
        one_of(KINDS, kind=self.kind)
        finite(low=self.low, high=self.high)
        low, high = python_number(self.low), python_number(self.high)
        numbers = isinstance(low, int | float) and isinstance(high, int | float)
        if numbers and not low < high:
            raise Refused(f"low must be below high, got {low} and {high}")

    def __call__(
        self,
        predict: Predict,
        x: Float[Array, "batch ..."],
        logits: Float[Array, "batch classes"],
        key: Key[Array, ""],
    ) -> Float[Array, "batch classes"]:
        """The released logits; one random input for each example."""
        if self.kind == "binary":
            random = jax.random.bernoulli(key, shape=x.shape).astype(x.dtype)
        else:
            random = jax.random.uniform(key, x.shape, x.dtype, self.low, self.high)
        answers = jnp.sort(predict(random), axis=-1, descending=True)
        order = jnp.argsort(logits, axis=-1, stable=True, descending=True)
        return jnp.take_along_axis(answers, jnp.argsort(order, axis=-1), axis=-1)
