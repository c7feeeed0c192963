"""The optimiser of a training: SGD or AdamW with numbers of their own, or anything of optax."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any, Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from pptp_jax.pytree import pytree
from pptp_jax.validation import Refused, fraction, given, not_negative, one_of, positive

Schedule = Literal["cosine", "constant", "linear", "steps", "lira"]


@dataclass(frozen=True, kw_only=True)
class Scheduled(ABC):
    """An optimiser whose numbers a phase may set: `SGD` or `AdamW`.

    Attributes:
        learning_rate: the rate of the first step.
        weight_decay: what is added to the gradient or to the update, times the parameters.
        max_norm: gradients whose Euclidean norm, over all parameters that learn, is larger are
            shortened to it, before anything else happens to them; None shortens none. One step can
            then not throw a network so far that it never learns again. This is no protection:
            it shortens the mean over a batch, not the gradient of an example.
        schedule: over the steps of a phase, `cosine` falls to zero, `linear` does so on a straight
            line and `constant` does not fall; `steps` goes on with a tenth from the middle on and
            with a hundredth from four fifths on; `lira` rises over the first hundredth, then falls
            by cos(7πt/16), t from 0 to 1.

    References:
        Carlini et al., "Membership Inference Attacks From First Principles", 2022,
        https://arxiv.org/abs/2112.03570, and its code (`lira`)

    Examples:
        >>> isinstance(SGD(), Scheduled), isinstance(AdamW(), Scheduled)
        (True, True)
    """

    learning_rate: float | Float[Array, ""] = 0.1
    weight_decay: float | Float[Array, ""] = 0.0
    max_norm: float | Float[Array, ""] | None = None
    schedule: Schedule = jax.tree.static(default="cosine")  # noqa: RUF009 - a field

    def __post_init__(self) -> None:
        positive(learning_rate=self.learning_rate, **given(max_norm=self.max_norm))
        not_negative(weight_decay=self.weight_decay)
        one_of(get_args(Schedule), schedule=self.schedule)

    def __call__(
        self, steps: int | Int[Array, ""], decay: optax.GradientTransformation | None = None
    ) -> optax.GradientTransformation:
        """The transform for a phase whose schedule spans `steps` updates.

        Args:
            steps: how many updates.
            decay: takes the place of the weight decay; None decays all weights alike.
        """
        if decay is None:
            decay = optax.add_decayed_weights(self.weight_decay)
        shortened = () if self.max_norm is None else (optax.clip_by_global_norm(self.max_norm),)
        rate = partial(self._rate, steps)
        return optax.chain(*shortened, *self._steps(decay), optax.scale_by_learning_rate(rate))

    @abstractmethod
    def _steps(self, decay: optax.GradientTransformation) -> Sequence[optax.GradientTransformation]:
        """The transform of a gradient before the learning rate scales it."""

    def _rate(self, steps: int | Int[Array, ""], count: Int[Array, ""]) -> float | Float[Array, ""]:
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "steps":  # in integers: a share may be rounded down
            early, late = 10 * count < 5 * steps, 10 * count < 8 * steps
            return self.learning_rate * jnp.where(early, 1.0, jnp.where(late, 0.1, 0.01))
        done = jnp.minimum(count / steps, 1.0)
        if self.schedule == "linear":
            return self.learning_rate * (1 - done)
        if self.schedule == "lira":
            warm = jnp.minimum(100 * done, 1.0)
            return self.learning_rate * warm * jnp.cos(7 / 16 * jnp.pi * done)
        return self.learning_rate * (1 + jnp.cos(jnp.pi * done)) / 2


@pytree
@dataclass(frozen=True, kw_only=True)
class SGD(Scheduled):
    """Stochastic gradient descent with momentum; weight decay joins the gradient before it.

    A pytree: a change of a number compiles nothing again. Its other numbers are those of
    `Scheduled`.

    Attributes:
        momentum: the share of the last update that is kept.

    Examples:
        >>> import jax.numpy as jnp
        >>> tx = SGD(learning_rate=0.5, momentum=0.0)(steps=10)
        >>> updates, _ = tx.update(jnp.ones(1), tx.init(jnp.ones(1)), jnp.ones(1))
        >>> print(updates)
        [-0.5]
    """

    momentum: float | Float[Array, ""] = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        fraction(momentum=self.momentum)

    def _steps(self, decay: optax.GradientTransformation) -> Sequence[optax.GradientTransformation]:
        return (decay, optax.trace(decay=self.momentum))


@pytree
@dataclass(frozen=True, kw_only=True)
class AdamW(Scheduled):
    """Adam with decoupled weight decay, which joins the update and not the gradient.

    It is `optax.adamw` with numbers that phases may set, such as the rate of an anneal. A pytree:
    a change of a number compiles nothing again. Its other numbers are those of `Scheduled`.

    Attributes:
        b1: the share of the mean gradient that a step keeps.
        b2: the share of the mean squared gradient that a step keeps.

    References:
        Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019,
        https://arxiv.org/abs/1711.05101

    Examples:
        >>> import jax.numpy as jnp
        >>> tx = AdamW(learning_rate=0.5, schedule="constant")(steps=10)
        >>> updates, _ = tx.update(jnp.full(1, 3.0), tx.init(jnp.ones(1)), jnp.ones(1))
        >>> print(updates.round(4))
        [-0.5]
    """

    learning_rate: float | Float[Array, ""] = 1e-3
    b1: float | Float[Array, ""] = 0.9
    b2: float | Float[Array, ""] = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        fraction(b1=self.b1, b2=self.b2)

    def _steps(self, decay: optax.GradientTransformation) -> Sequence[optax.GradientTransformation]:
        return (optax.scale_by_adam(b1=self.b1, b2=self.b2), decay)


Optimizer: TypeAlias = (
    Scheduled
    | optax.GradientTransformation
    | Callable[[int | Int[Array, ""]], optax.GradientTransformation]
)

# That of studies and audits: every network of ours learns by it (tests/study).
DEFAULT_OPTIMIZER = SGD(max_norm=1.0)


@jax.tree_util.register_static
@dataclass(frozen=True)
class _Constant:
    """An optax transform as it is, for phases of any length: static, as it is made of functions."""

    transform: optax.GradientTransformation

    def __call__(self, steps: int | Int[Array, ""]) -> optax.GradientTransformation:
        """The transform."""
        return self.transform


PhaseOptimizer = Scheduled | _Constant | jax.tree_util.Partial


def phase_optimizer(optimizer: Optimizer | None) -> PhaseOptimizer:
    """An optimiser in the one form that training takes: a function of a phase's steps.

    The form is a pytree: the numbers of an `SGD` or `AdamW` are its leaves; a transform or
    function of optax is static, so that the same object compiles once for all phases of one
    structure.

    Args:
        optimizer: an `SGD` or `AdamW`; an optax transform, whose state begins again in every phase;
            or a function from the number of steps of a phase's schedule to one; None is `SGD()`.

    Raises:
        ValueError: if it is none of these.

    Examples:
        >>> tx = optax.adam(1e-3)
        >>> phase_optimizer(tx)(steps=10) is tx
        True
        >>> phase_optimizer(optax.adam)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: optimizer must be a transform, such as optax.adam(1e-3), ...
    """
    if optimizer is None:
        return SGD()
    if isinstance(optimizer, PhaseOptimizer):
        return optimizer
    if isinstance(optimizer, optax.GradientTransformation):
        return _Constant(optimizer)
    if isinstance(optimizer, type) or not callable(optimizer):
        shown = optimizer if isinstance(optimizer, type) else type(optimizer)
        raise Refused(
            "optimizer must be an SGD(...) or AdamW(...), an optax transform such as "
            "optax.adam(1e-3), or a function from a number of steps to a transform, got "
            f"{shown.__qualname__}"
        )
    _check_function(optimizer)
    return jax.tree_util.Partial(optimizer)


def _check_function(optimizer: Callable[..., Any]) -> None:
    """Refuses a function that makes no transform of a number of steps."""
    name = getattr(optimizer, "__name__", type(optimizer).__name__)
    try:
        first = next(iter(signature(optimizer).parameters), None)
        if first != "learning_rate":
            made = optimizer(10**6)  # longer than any warm-up
    except Exception as error:  # whatever a user's function raises
        raise Refused(f"the optimizer {name} fails for a number of steps: {error}") from error
    if first == "learning_rate":  # it would take the number of steps for its rate
        raise Refused(
            f"optimizer must be a transform, such as optax.adam(1e-3), not {name} itself, which "
            "makes one of a learning rate"
        )
    if not isinstance(made, optax.GradientTransformation):
        raise Refused(
            f"the optimizer {name} must make an optax transform of a number of steps, got a "
            f"{type(made).__name__}"
        )
