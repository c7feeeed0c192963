"""Signals by name, and the axes of their arrays."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Shaped

from pptp_jax.data import Bytes
from pptp_jax.signals import (
    BASE_DIVERGENCE,
    BASE_LOG_PROB,
    BASE_TOKEN_LOG_PROB,
    COMPRESSED_LENGTH,
    DISTILLED_TRAJECTORY,
    GRADIENT_NORMS,
    INPUT_GRADIENT_NORM,
    PIA_ERROR,
    PIAN_ERROR,
    SECMI_DIFFERENCE,
    SECMI_ERROR,
    SIMA_NORM,
    SURROGATE_SCORE,
    TIMESTEP_GRADIENTS,
    TRAJECTORIES,
    TRANSFERRED_CORRECT,
    UNPREFIXED,
    boundary_signal,
    latent_signal,
    lowered_signal,
    neighbour_signal,
    noise_signal,
    prefixed_signals,
    sample_distances_signal,
)
from pptp_jax.tasks import Adversarial, Classification, Denoising, Language, Signal
from pptp_jax.validation import Refused, one_of

# What is meant by these names unless a declaration says otherwise.
KNOWN: Mapping[str, Signal] = {
    signal.name: signal
    for signal in (
        *Adversarial().signals,
        *Language().signals,
        *Denoising().signals,
        *Classification().signals,  # whose confidence and log_prob are meant
        GRADIENT_NORMS,
        INPUT_GRADIENT_NORM,
        boundary_signal(),
        noise_signal(),
        TRANSFERRED_CORRECT,
        *TRAJECTORIES,
        DISTILLED_TRAJECTORY,
        COMPRESSED_LENGTH,
        BASE_LOG_PROB,
        BASE_TOKEN_LOG_PROB,
        BASE_DIVERGENCE,
        lowered_signal(Bytes()),
        neighbour_signal(),
        prefixed_signals()[0],
        UNPREFIXED,
        SECMI_DIFFERENCE,
        SECMI_ERROR,
        PIA_ERROR,
        PIAN_ERROR,
        SIMA_NORM,
        TIMESTEP_GRADIENTS,
        sample_distances_signal(),
        latent_signal(),
        SURROGATE_SCORE,
    )
}

# What attacks read besides signals.
PARTS = ("labels", "inputs", "nonmembers")


def declaration(signal: str | Signal, declared: Sequence[Signal] = ()) -> Signal:
    """The declaration of a signal.

    Args:
        signal: its name; or the declaration itself.
        declared: those that take the place of `KNOWN` or come on top.

    Raises:
        Refused: if there is no signal of this name.

    Examples:
        >>> declaration("confidence").axes
        ('models', 'queries', 'examples')
    """
    if isinstance(signal, Signal):
        return signal
    known = {**KNOWN, **{one.name: one for one in declared}}
    if signal not in known:
        try:
            one_of(known, signal=signal)
        except Refused as error:
            raise Refused(
                f"{error}. A signal of your own needs its declaration: declared=(Signal(...),)"
            ) from None
    return known[signal]


def sources(
    reads: Sequence[str | Signal], declared: Sequence[Signal], there: Sequence[str]
) -> set[str]:
    """The names of the arrays from which signals are read or derived.

    Args:
        reads: the signals; `labels`, `inputs` and `nonmembers` may be among them.
        declared: declarations besides those of `KNOWN`.
        there: the names of the arrays that there are.

    Examples:
        >>> sorted(sources(["log_prob"], (), ["confidence", "utility"]))
        ['confidence']
        >>> sorted(sources(["log_prob"], (), ["logits"]))
        ['logits']
    """
    found: set[str] = set()
    for signal in reads:
        name = signal if isinstance(signal, str) else signal.name
        if name in PARTS:
            continue
        if name in there:
            found.add(name)
        else:
            found |= sources(needs(declaration(signal, declared)), declared, there)
    return found


def needs(signal: Signal) -> tuple[str, ...]:
    """What a signal can be computed from; logits are what a classifier answers."""
    if signal.reduce is None:
        return signal.needs
    # What has another axis, tokens say, or another access is reduced from other answers, which are
    # not kept.
    same = signal.access != "white-box" and set(signal.axes) <= set(KNOWN["logits"].axes)
    of_logits = signal.name != "logits" and same
    return ("logits", "labels") if of_logits else ()


def shaped(
    arrays: Mapping[str, Shaped[np.ndarray, "models ..."]],
    declared: Sequence[Signal],
    models: int,
    examples: int,
) -> dict[str, Shaped[np.ndarray, "models ..."]]:
    """The arrays with all axes of their signals: without a query axis they hold one query.

    Where there is one model only, its axis may be missing as well, after that of the queries.

    Raises:
        Refused: if a name is unknown, a shape does not fit, or an array does not hold real numbers.

    Examples:
        >>> shaped({"confidence": np.zeros((3, 5))}, (), 3, 5)["confidence"].shape
        (3, 1, 5)
        >>> shaped({"confidence": np.zeros(5)}, (), 1, 5)["confidence"].shape
        (1, 1, 5)
    """
    return {
        name: _shaped(name, axes_of(name, declared), np.asarray(array), models, examples)
        for name, array in arrays.items()
    }


def axes_of(name: str, declared: Sequence[Signal] = ()) -> tuple[str, ...]:
    """The axes of a signal's array, models first."""
    # Attacks rely on the axes of the names that they know.
    return (KNOWN.get(name) or declaration(name, declared)).axes


def _shaped(
    name: str,
    axes: tuple[str, ...],
    array: Shaped[np.ndarray, "models ..."],
    models: int,
    examples: int,
) -> Shaped[np.ndarray, "models ..."]:
    if models == 1 and array.ndim == len(axes) - ("queries" in axes) - 1:
        array = array[None]
    if array.ndim == len(axes) - 1 and "queries" in axes:
        array = np.expand_dims(array, axes.index("queries"))
    if array.ndim != len(axes):
        raise Refused(f"{name} must have shape ({', '.join(axes)}), got {array.shape}")
    if array.dtype != bool and not np.can_cast(array.dtype, np.longdouble, "same_kind"):
        raise Refused(f"{name} must hold real numbers, got an array of {array.dtype}")
    found = array.shape[0], array.shape[axes.index("examples")]
    if found != (models, examples):
        raise Refused(
            f"{name} of shape {array.shape} has {found[0]} models and {found[1]} examples, and "
            f"membership has {models} and {examples}" + _hint(name, found, (models, examples))
        )
    return array


def _hint(name: str, found: tuple[int, int], sizes: tuple[int, int]) -> str:
    if found != sizes[::-1]:
        return ""
    return f": one is transposed, hand over membership.T, or {name} with the models first"
