"""Check the logits of a classifier, and the labels that belong to them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pptp_jax.validation import Refused


def check_signals(signals: Any, labels: Any) -> None:
    """Refuses what is no dictionary of signals, and `logits` or labels that cannot be meant.

    Raises:
        ValueError: as the checks below do.
    """
    if not isinstance(signals, Mapping):
        raise Refused(
            "signals must be a dictionary of arrays by name, such as {'logits': logits}, got "
            f"{type(signals).__name__}"
        )
    if "logits" not in signals:
        return
    logits = np.asarray(signals["logits"])
    check_no_probabilities(logits)
    check_no_zeros(logits)
    if labels is not None and np.ndim(labels) == 1 and logits.ndim > 1:
        check_classes(np.asarray(labels), logits.shape[-1])


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
