"""CRL: RelaxLoss on bounded logits, and a relaxed distance to the centre of each class."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from pptp_jax.objectives.loss_floor import flattened_labels, held_at
from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.pytree import pytree
from pptp_jax.validation import fraction, not_negative, positive


class CentreState(NamedTuple):
    """The centres (classes, classes), not yet bounded, and their optimiser's state."""

    centres: Float[Array, "classes classes"]
    opt_state: Any


@pytree
@dataclass(frozen=True, kw_only=True)
class CRL(Objective):
    """RelaxLoss on b_t(z) plus λ times a relaxed centre loss, with b_t(v) = v / (1 + t ‖v‖).

    The first part is RelaxLoss of the variant `authors` on b_t(z), with soft labels from p =
    softmax(z). The second, D = ½ mean ‖b_s(f) − b_s(c_y)‖² for the feature f and the centre c_y of
    the label's class, is held at its own target δ: |D − δ| in even epochs; in odd ones D while it
    is above δ, else ½ mean [p_y ‖b_s(f) − b_s(c_y)‖² + (1 − p_y) ‖b_s(f)‖²], with p_y at most
    `centre_upper`. The gradient passes through p; epochs are counted from 1. The centres begin as
    draws from N(0, 1) and learn from λ times the second part, by SGD with momentum and weight decay
    and at a learning rate of their own.

    Our reading, and a deviation: in the published code f is the input of the last layer. An
    objective sees the logits alone, so f = z here, and a centre has one number a class. λ = 0
    leaves the first part, in which nothing deviates.

    The files of settings are missing from the published code. Defaults are its functions' where
    they have any; `weight`, `learning_rate`, `momentum` and `weight_decay` are ours.

    Attributes:
        alpha: the target of the cross-entropy, in nats.
        upper: the most that the soft label puts on the label.
        t: the bound of the logits: ‖b_t‖ < 1 / t; 0 leaves them as they are.
        weight: λ.
        centre_alpha: the target δ of the distance.
        centre_upper: the most weight that the pull to the centre has.
        centre_t: s, the bound of features and centres.
        learning_rate: the centres' own.
        momentum: the centres' own.
        weight_decay: the centres' own.

    References:
        Fang and Kim, "Center-Based Relaxed Learning Against Membership Inference Attacks", UAI
        2024, https://arxiv.org/abs/2404.17674; https://github.com/JEKimLab/UAI24_CRL

    Examples:
        >>> loss = CRL(alpha=1.0)
        >>> state = loss.init(jax.random.key(0), jnp.zeros((1, 3)))
        >>> state.centres.shape
        (3, 3)
        >>> loss(jnp.zeros((1, 3)), jnp.array([0]), Context(state=state)).shape
        ()
    """

    name: ClassVar[str] = "crl"
    alpha: float | Float[Array, ""]
    upper: float | Float[Array, ""] = 1.0
    t: float | Float[Array, ""] = 1.0
    weight: float | Float[Array, ""] = 0.1
    centre_alpha: float | Float[Array, ""] = 1.0
    centre_upper: float | Float[Array, ""] = 1.0
    centre_t: float | Float[Array, ""] = 1.0
    learning_rate: float | Float[Array, ""] = 0.5
    momentum: float | Float[Array, ""] = 0.9
    weight_decay: float | Float[Array, ""] = 5e-4

    def __post_init__(self) -> None:
        not_negative(alpha=self.alpha, centre_alpha=self.centre_alpha, t=self.t)
        not_negative(centre_t=self.centre_t, weight=self.weight, weight_decay=self.weight_decay)
        fraction(upper=self.upper, centre_upper=self.centre_upper, momentum=self.momentum)
        positive(learning_rate=self.learning_rate)

    @property
    def strength(self) -> float:
        """The target loss α: the higher, the more privacy."""
        return float(self.alpha)

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context = PLAIN,
    ) -> Float[Array, ""]:
        """The loss of one batch.

        Raises:
            ValueError: if `context.state` is missing.
        """
        centres = context.needed("state", self.name).centres
        bound = bounded(logits, self.t)
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(bound, labels)
        soft = flattened_labels(logits, labels, self.upper)
        flattened = optax.losses.softmax_cross_entropy(bound, soft).mean()
        relaxed = held_at(self.alpha, losses.mean(), flattened, context.epoch + 1)
        return relaxed + self.weight * self._distance(centres, logits, labels, context.epoch)

    def init(self, key: Key[Array, ""], outputs: Any) -> CentreState:
        """Random centres, each number from N(0, 1)."""
        classes = outputs.shape[-1]
        centres = jax.random.normal(key, (classes, classes))
        return CentreState(centres, self._optimizer().init(centres))

    def learn(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context,
    ) -> CentreState:
        """The centres after one step of their own.

        Raises:
            ValueError: if `context.state` is missing.
        """
        centres, opt_state = context.needed("state", self.name)

        def loss(centres: Float[Array, "classes classes"]) -> Float[Array, ""]:
            return self.weight * self._distance(centres, logits, labels, context.epoch)

        updates, opt_state = self._optimizer().update(jax.grad(loss)(centres), opt_state, centres)
        return CentreState(centres + updates, opt_state)

    def _distance(
        self,
        centres: Float[Array, "classes classes"],
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        epoch: Int[Array, ""] | int,
    ) -> Float[Array, ""]:
        features = bounded(logits.astype(centres.dtype), self.centre_t)
        squares = ((features - bounded(centres, self.centre_t)[labels]) ** 2).sum(-1) / 2
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
        p_label = jnp.minimum(jnp.exp(-losses), self.centre_upper).astype(centres.dtype)
        norms = (features**2).sum(-1) / 2
        flattened = (p_label * squares + (1 - p_label) * norms).mean()
        return held_at(self.centre_alpha, squares.mean(), flattened, epoch + 1)

    def _optimizer(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.add_decayed_weights(self.weight_decay),
            optax.sgd(self.learning_rate, self.momentum),
        )


def bounded(
    vectors: Float[Array, "batch dims"], t: float | Float[Array, ""]
) -> Float[Array, "batch dims"]:
    """Rows v / (1 + t ‖v‖): the direction is kept, the length stays below 1 / t.

    Examples:
        >>> print(bounded(jnp.array([[3.0, 4.0]]), 0.2))
        [[1.5 2. ]]
    """
    # The length of a vector of zeros has no gradient of its own.
    lengths = optax.safe_norm(vectors, 1e-7, axis=-1, keepdims=True)
    return vectors / (1 + t * lengths)
