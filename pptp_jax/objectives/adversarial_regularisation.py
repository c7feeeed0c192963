"""Adversarial regularisation: the network learns to deceive an attacker that learns beside it."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.pytree import pytree
from pptp_jax.validation import at_least, not_negative, positive

Layers = list[tuple[Float[Array, "inputs outputs"], Float[Array, " outputs"]]]


class InferenceState(NamedTuple):
    """The inference network as it stands."""

    layers: Layers
    opt_state: Any


@pytree
@dataclass(frozen=True, kw_only=True)
class AdversarialRegularisation(Objective):
    """CE + α (mean h − ½), with an inference network h that learns to detect members.

    h(p, y) is the probability of membership, a function of the softmax output and the one-hot
    label. The classifier lowers h on its members; after each of its steps h takes `steps` steps of
    Adam on the outputs of that step, to raise ½ mean log h over the members + ½ mean log(1 − h)
    over as many reference examples.

    Deviations: h is one MLP on both inputs joined, while the paper first passes each through layers
    of its own; the gain has logarithms as in the paper, while some published codes learn h by
    squared error; h learns from the outputs in training mode, from which the classifier learns too,
    and from the first step on, while published codes begin with epochs of either alone.

    Attributes:
        weight: α.
        hidden: the widths of h's hidden layers, each with a ReLU.
        steps: the steps of h after each of the classifier's.
        learning_rate: that of h.
        settings: from the code of HAMP, which compares with this defence: `train-all.sh` in the
            folder of each data set.

    References:
        Nasr, Shokri and Houmansadr, "Machine Learning with Membership Privacy using Adversarial
        Regularization", CCS 2018, https://arxiv.org/abs/1807.05852;
        https://github.com/DependableSystemsLab/MIA_defense_HAMP

    Examples:
        >>> loss = AdversarialRegularisation(weight=3.0)
        >>> state = loss.init(jax.random.key(0), jnp.zeros((1, 2)))
        >>> [kernel.shape for kernel, bias in state.layers]
        [(4, 64), (64, 1)]
        >>> loss(jnp.zeros((1, 2)), jnp.array([0]), Context(state=state)).shape
        ()
    """

    name: ClassVar[str] = "adversarial_regularisation"
    needs_reference: ClassVar[bool] = True
    settings: ClassVar = {
        "purchase100": {"weight": 3.0},
        "texas100": {"weight": 10.0},
        "location30": {"weight": 10.0},
        "cifar10": {"weight": 6.0},
        "cifar100": {"weight": 6.0},
    }
    weight: float | Float[Array, ""]
    hidden: tuple[int, ...] = field(default=(64,), metadata={"static": True})
    steps: int = field(default=1, metadata={"static": True})
    learning_rate: float | Float[Array, ""] = 1e-3

    def __post_init__(self) -> None:
        not_negative(weight=self.weight)
        positive(learning_rate=self.learning_rate)
        at_least(1, steps=self.steps, **{f"hidden[{i}]": w for i, w in enumerate(self.hidden)})

    @property
    def strength(self) -> float:
        """The weight α of the attacker's gain: the higher, the more privacy."""
        return float(self.weight)

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context = PLAIN,
    ) -> Float[Array, ""]:
        """The classifier's loss of one batch.

        Raises:
            ValueError: if `context.state` is missing.
        """
        layers = context.needed("state", self.name).layers
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
        membership = jax.nn.sigmoid(_evidence(layers, logits, labels))
        return losses.mean() + self.weight * (membership.mean() - 0.5)

    def init(self, key: Key[Array, ""], outputs: Any) -> InferenceState:
        """A new inference network: Glorot-uniform kernels, biases of zero."""
        widths = (2 * outputs.shape[-1], *self.hidden, 1)
        draw = jax.nn.initializers.glorot_uniform()
        keys = jax.random.split(key, len(widths) - 1)
        layers = [
            (draw(k, shape, jnp.float32), jnp.zeros(shape[1]))
            for k, shape in zip(keys, pairwise(widths), strict=True)
        ]
        return InferenceState(layers, optax.adam(self.learning_rate).init(layers))

    def learn(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context,
    ) -> InferenceState:
        """The inference network after `steps` steps on the outputs of one of the classifier's.

        Raises:
            ValueError: if `context.state` or `context.reference` is missing.
        """
        reference = context.needed("reference", self.name)
        adam = optax.adam(self.learning_rate)

        def loss(layers: Layers) -> Float[Array, ""]:
            members = _evidence(layers, logits, labels)
            others = _evidence(layers, reference.outputs, reference.targets)
            # -log sigmoid(e) and -log(1 - sigmoid(e)), without overflow.
            return (jax.nn.softplus(-members).mean() + jax.nn.softplus(others).mean()) / 2

        def step(state: InferenceState, _: None) -> tuple[InferenceState, None]:
            gradients = jax.grad(loss)(state.layers)
            with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its count
                updates, opt_state = adam.update(gradients, state.opt_state)
            return InferenceState(optax.apply_updates(state.layers, updates), opt_state), None

        start = context.needed("state", self.name)
        return jax.lax.scan(step, start, None, length=self.steps)[0]


def _evidence(
    layers: Layers, logits: Float[Array, "batch classes"], labels: Int[Array, " batch"]
) -> Float[Array, " batch"]:
    """The inference network's logit for membership."""
    p = jax.nn.softmax(logits.astype(jnp.float32))
    inputs = jnp.concatenate([p, jax.nn.one_hot(labels, p.shape[-1], dtype=p.dtype)], axis=-1)
    *hidden, (kernel, bias) = layers
    for inner_kernel, inner_bias in hidden:
        inputs = jax.nn.relu(inputs @ inner_kernel + inner_bias[None])
    return (inputs @ kernel + bias[None])[:, 0]
