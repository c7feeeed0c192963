"""Check a user's arrays of examples, labels and logits."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from pptp_jax.attacks.classifier_outputs import check_classes, check_no_probabilities
from pptp_jax.audit.foreign import as_float32, plain
from pptp_jax.validation import Refused


def check_logits(
    logits: Float[np.ndarray, "models queries examples classes"],
) -> Float[np.ndarray, "models queries examples classes"]:
    """The logits, of a single output z the pair (0, z); refuses probabilities."""
    if logits.shape[-1] == 1:
        if ((logits >= 0) & (logits <= 1)).all():
            raise Refused(
                "the single logit of each example lies between 0 and 1: hand over log(p / (1 − p)) "
                "of probabilities"
            )
        return np.concatenate([np.zeros_like(logits), logits], axis=-1)
    check_no_probabilities(logits)
    return logits


def check_inputs(inputs: Any) -> Shaped[np.ndarray, "examples ..."]:
    """The examples as a NumPy array; refuses what no model can see."""
    inputs = plain("inputs", inputs)
    if inputs.dtype.kind not in "buif" or inputs.ndim < 2:
        raise Refused(
            "inputs must be numbers of shape (examples, ...), got an array of "
            f"{inputs.dtype} of shape {inputs.shape}"
        )
    if not np.isfinite(inputs).all():
        bad = np.flatnonzero(~np.isfinite(inputs).reshape(len(inputs), -1).all(axis=1))
        raise Refused(
            f"inputs must be finite; {len(bad)} of {len(inputs)} examples hold NaN or infinity, "
            f"the first is {bad[0]}"
        )
    as_float32("inputs", inputs)
    return inputs


def check_labels(
    labels: np.ndarray | None, examples: int, classes: int | None
) -> Int[np.ndarray, " examples"]:
    """The classes as int32; refuses what are no classes, one an example."""
    if labels is None:
        raise Refused(
            f"logits say nothing without the true classes: hand over labels of shape ({examples},)"
        )
    labels = plain("labels", labels)
    if labels.shape != (examples,):
        raise Refused(f"labels must have shape ({examples},), one an example, got {labels.shape}")
    if labels.dtype.kind == "f" and (np.trunc(labels) != labels)[np.isfinite(labels)].any():
        raise Refused(
            "labels must be classes, as integers, and some of these have decimals: answers of a "
            "regression go in as `predictions` and `true_values`, without labels"
        )
    check_classes(labels, classes)
    return labels.astype(np.int32)
