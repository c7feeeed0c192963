"""Convert predictions of other tasks than classification to the usual signals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from pptp_jax.audit.foreign import plain
from pptp_jax.validation import Refused

# Numbers that a regression predicts, and what they should have been.
PREDICTED = ("predictions", "true_values")


def with_targets(
    signals: Mapping[str, Any], labels: Any, membership: Bool[np.ndarray, "*models examples"]
) -> tuple[dict[str, Any], Any]:
    """The signals and labels, after tasks other than classification are rewritten.

    `predictions` less `true_values` become `residuals`. One logit an example, `logits` of the
    shape of the membership, gains an axis. `logits` with `labels` (examples, labels) become φ and
    log p of the task `MultiLabel`, and the labels are dropped.

    Raises:
        ValueError: if the arrays do not fit each other, or could mean two things.

    Examples:
        >>> given = {"predictions": np.ones((2, 3)), "true_values": np.array([1.0, 2.0, 3.0])}
        >>> with_targets(given, None, np.ones((2, 3), bool))[0]["residuals"][0]
        array([ 0., -1., -2.])
    """
    found = dict(signals)
    if any(name in found for name in PREDICTED):
        found["residuals"] = _residuals(found, membership.shape[-1])
    if "logits" in found:
        logits = plain("logits", found["logits"])
        known = None if labels is None else plain("labels", labels)
        if logits.ndim == membership.ndim and logits.shape == membership.shape:
            found["logits"] = logits[..., None]
        elif known is not None and known.ndim == 2:
            if both := {"confidence", "log_prob"} & set(found):
                raise Refused(f"several labels give {' and '.join(sorted(both))}: leave it out")
            del found["logits"]
            return found | _of_labels(logits, known, membership.shape[-1]), None
    return found, labels


def _residuals(found: dict[str, Any], examples: int) -> Float[np.ndarray, "... examples"]:
    missing = [name for name in PREDICTED if name not in found]
    if missing:
        raise Refused(f"predictions and true_values belong together; {missing[0]} is missing")
    if "residuals" in found:
        raise Refused("residuals are predictions less true_values: give one or the other")
    answers, truth = (plain(name, found.pop(name)) for name in PREDICTED)
    for name, array in (("predictions", answers), ("true_values", truth)):
        if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise Refused(f"{name} must hold finite numbers, got an array of {array.dtype}")
    if truth.shape != (examples,):
        raise Refused(
            f"true_values must have shape ({examples},), one an example, got {truth.shape}"
        )
    if answers.ndim == 0 or answers.shape[-1] != examples:
        raise Refused(
            f"predictions must have shape (models, {examples}), one number an example, got "
            f"{answers.shape}"
        )
    return answers.astype(np.float64) - truth.astype(np.float64)


def _of_labels(
    logits: Shaped[np.ndarray, "..."], labels: Shaped[np.ndarray, "examples labels"], examples: int
) -> dict[str, Float[np.ndarray, "... examples"]]:
    if len(labels) != examples or labels.dtype.kind not in "biuf":
        raise Refused(f"several labels must have shape ({examples}, labels), got {labels.shape}")
    if not ((labels == 0) | (labels == 1)).all():
        raise Refused("several labels must be zeros and ones, one a label")
    if labels.shape[1] > 1 and (labels.sum(axis=1) == 1).all():
        raise Refused(
            "every example has exactly one label, so these may be classes: hand over "
            "labels.argmax(axis=1) with logits of classes"
        )
    if logits.ndim < 2 or logits.shape[-2:] != labels.shape:
        raise Refused(
            f"logits must have shape (models, {examples}, labels) as labels "
            f"{labels.shape} have, got {logits.shape}"
        )
    if logits.dtype.kind not in "iuf" or not np.isfinite(logits).all():
        raise Refused(f"logits must hold finite numbers, got an array of {logits.dtype}")
    if ((logits >= 0) & (logits <= 1)).all():
        raise Refused("logits lie between 0 and 1: hand over log(p / (1 − p)) of probabilities")
    signed = np.where(labels > 0, logits, -logits.astype(np.float64))
    return {"confidence": signed.sum(-1), "log_prob": -np.logaddexp(0, -signed).sum(-1)}
