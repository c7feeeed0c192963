"""Check the logits of a classifier, and the labels that belong to them."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped

from pptp_jax.attacks.finite import check_finite
from pptp_jax.validation import Refused


def check_signals(signals: Any, labels: Any, models: int) -> None:
    """Refuses what is no dictionary of signals, and numbers or labels that cannot be meant.

    Args:
        signals: arrays by name.
        labels: the examples' classes; None without any.
        models: how many there are.

    Raises:
        ValueError: as the checks below do.
    """
    if not isinstance(signals, Mapping):
        raise Refused(
            "signals must be a dictionary of arrays by name, such as {'logits': logits}, got "
            f"{type(signals).__name__}"
        )
    arrays = {name: _real(name, array) for name, array in signals.items()}
    logits = arrays.get("logits")
    if logits is not None:
        check_no_probabilities(logits)
        check_no_zeros(logits)
        if labels is not None and np.size(labels) and logits.ndim > 1:
            _check_labels(np.asarray(labels), logits.shape[-1])
    for name, array in arrays.items():
        by_model = array.shape[:1] == (models,)
        check_finite(name, array, by_model=by_model, infinite=name != "logits")
    if "confidence" in arrays:
        check_log_odds(arrays["confidence"])


def _real(name: str, array: Any) -> Shaped[np.ndarray, "..."]:
    try:
        found = np.asarray(array)
    except ValueError as error:  # NumPy's word for parts of different shapes
        raise Refused(f"{name} must be one array, and its parts do not fit: {error}") from error
    real = found.dtype == bool or jax.dtypes.issubdtype(found.dtype, np.number)
    if not real or np.iscomplexobj(found):
        raise Refused(f"{name} must hold real numbers, got an array of {found.dtype}")
    return found


def _check_labels(labels: Shaped[np.ndarray, "..."], classes: int) -> None:
    if labels.ndim == 2:
        raise Refused(
            f"labels must have shape (examples,), a class each, got {labels.shape}: of rows with "
            "a single 1 hand over labels.argmax(axis=1)"
        )
    check_classes(labels, classes)


def check_log_odds(confidence: Shaped[np.ndarray, "..."]) -> None:
    """Refuses probabilities in the place of φ, the log-odds: LiRA would find less in them.

    Raises:
        ValueError: if all numbers lie between 0 and 1, and not all are 0 or 1.
    """
    within = (confidence >= 0) & (confidence <= 1)
    if within.all() and ((confidence > 0) & (confidence < 1)).any():
        raise Refused(
            "confidence is φ, the log-odds of the label, and these numbers lie between 0 and 1 as "
            "probabilities do: hand over np.log(p / (1 - p))"
        )


def check_no_zeros(logits: Float[np.ndarray, "... classes"]) -> None:
    """Refuses logarithms of probabilities of 0, whose φ is infinite; a tree answers them.

    Raises:
        ValueError: if a number is −inf; it names the remedy.
    """
    if np.isneginf(logits).any():
        raise Refused(
            "logits hold −inf, the logarithm of a probability of 0: raise probabilities to a floor "
            "first, such as half a vote of a forest, np.log(np.maximum(p, 0.5 / trees))"
        )


def check_no_probabilities(logits: Float[np.ndarray, "... classes"]) -> None:
    """Refuses probabilities in the place of logits: attacks would find less in them, or else.

    Raises:
        ValueError: if no number is negative and each row adds up to 1.
    """
    if (logits >= 0).all() and np.allclose(logits.sum(axis=-1), 1, atol=1e-3):
        raise Refused(
            "logits are probabilities here (they sum to 1): hand over their logarithms, from "
            "before the softmax where you can"
        )


def check_classes(labels: Int[np.ndarray, " examples"], classes: int | None) -> None:
    """Refuses labels that are no classes.

    Raises:
        ValueError: if they are no integers, or out of range; None is any number of classes.
    """
    if labels.dtype.kind not in "iu":
        raise Refused(
            f"labels must be integers, got an array of {labels.dtype}: "
            "np.unique(labels, return_inverse=True)[1] numbers the classes"
        )
    if labels.min() < 0 or (classes is not None and labels.max() >= classes):
        upper = "" if classes is None else f" and below the {classes} classes of the logits"
        raise Refused(
            f"labels must be at least 0{upper}; they go from {labels.min()} to {labels.max()}"
        )
