"""Signals of an evidence: stored ones, and those derived from them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Shaped

from pptp_jax.attacks.signal_registry import axes_of, declaration, needs
from pptp_jax.tasks import Signal
from pptp_jax.validation import AttackUnavailable

Signals = Mapping[str, Shaped[np.ndarray, "models ..."]]

# What lies farther out counts as this: it keeps its order, and differences and sums are finite.
_LARGEST = 1e37


@dataclass(frozen=True)
class OnExamples(Mapping[str, Shaped[np.ndarray, "models ..."]]):
    """Signals on some of the examples, picked when they are read.

    Attributes:
        arrays: the signals on all examples.
        examples: which examples.
        declared: declarations of signals.
    """

    arrays: Signals
    examples: Int[np.ndarray, " attacked"]
    declared: Sequence[Signal]

    def __getitem__(self, name: str) -> Shaped[np.ndarray, "models ..."]:
        """A signal on these examples."""
        axis = axes_of(name, self.declared).index("examples")
        return self.arrays[name].take(self.examples, axis)

    def __contains__(self, name: object) -> bool:
        """Whether it is there."""
        return name in self.arrays

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self.arrays)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.arrays)


def follows(
    signal: str | Signal, declared: Sequence[Signal], arrays: Signals, labelled: bool
) -> bool:
    """Whether a signal is there or can be derived.

    Examples:
        >>> follows("log_prob", (), {"confidence": np.zeros((1, 1, 1))}, labelled=False)
        True
        >>> follows("log_prob", (), {"logits": np.zeros((1, 1, 1, 2))}, labelled=False)
        False
    """
    if signal == "labels":
        return labelled
    one = declaration(signal, declared)
    if one.name in arrays:
        return True
    parts = needs(one)
    return bool(parts) and all(follows(part, declared, arrays, labelled) for part in parts)


def derived(
    signal: str | Signal,
    declared: Sequence[Signal],
    arrays: Signals,
    labels: Int[np.ndarray, " examples"] | None,
) -> Shaped[Array, "models ..."]:
    """A signal in float32, in which attacks compute; booleans as they are.

    Args:
        signal: its name, or its declaration.
        declared: declarations of signals.
        arrays: what there is.
        labels: the examples' labels, if they are known.

    Raises:
        AttackUnavailable: if it is not there and does not follow from what is.

    Examples:
        >>> print(derived("log_prob", (), {"confidence": np.zeros((1, 1, 1))}, None))
        [[[-0.6931472]]]
    """
    one = declaration(signal, declared)
    if one.name in arrays:
        return jnp.asarray(_in_range(arrays[one.name]))
    if not follows(one, declared, arrays, labelled=True):
        there = ": " + ", ".join(map(repr, sorted(arrays))) if arrays else ""
        stops = ", which takes two stops on the way at least" if one.along is not None else ""
        raise AttackUnavailable(
            f"this attack reads the signal {one.name!r}{stops}, which does not follow from what "
            f"there is{there}"
        )
    if not follows(one, declared, arrays, labels is not None):
        raise AttackUnavailable("this attack needs the examples' labels: hand over labels=")
    # Model by model: all logits at once may be more than the memory holds.
    models = len(next(iter(arrays.values())))
    return jnp.concatenate([_of_model(one, declared, arrays, labels, i) for i in range(models)])


def _of_model(
    one: Signal,
    declared: Sequence[Signal],
    arrays: Signals,
    labels: Int[np.ndarray, " examples"] | None,
    model: int,
) -> Shaped[Array, "1 ..."]:
    if one.name in arrays:
        return jnp.asarray(_in_range(arrays[one.name][model : model + 1]))
    values = {
        name: jnp.asarray(labels)
        if name == "labels"
        else _of_model(declaration(name, declared), declared, arrays, labels, model)
        for name in needs(one)
    }
    if one.derive is not None:
        return _compiled(one.derive)(**values)
    assert one.reduce is not None  # or nothing would follow
    return _reduced(one.reduce, one.examples_axis - 1)(values["logits"], values["labels"])


@lru_cache(maxsize=64)
def _compiled(function: Callable[..., Array]) -> Callable[..., Array]:
    return jax.jit(function)


@lru_cache(maxsize=64)
def _reduced(
    reduce: Callable[..., Array], examples_axis: int
) -> Callable[[Shaped[Array, "1 queries examples classes"], Int[Array, " examples"]], Array]:
    """A function of each example's logits, applied to a fleet's array of them."""
    by_example = jax.vmap(reduce, in_axes=(1, 0), out_axes=examples_axis)
    return jax.jit(jax.vmap(by_example, in_axes=(0, None)))


def _in_range(signal: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    if signal.dtype == bool:
        return signal
    if signal.dtype.kind == "f" and signal.dtype.itemsize > 4:
        signal = np.clip(signal, -_LARGEST, _LARGEST)
    return np.asarray(signal).astype(np.float32, copy=False)
