"""A threshold for each class, chosen on the shadows."""

import numpy as np
from jaxtyping import Bool, Float, Int

from pptp_jax.validation import AttackUnavailable


def class_thresholds(
    scores: Float[np.ndarray, "shadows examples"],
    members: Bool[np.ndarray, "shadows examples"],
    labels: Int[np.ndarray, " examples"],
    itself: Int[np.ndarray, " targets"],
) -> Float[np.ndarray, "targets classes"]:
    """The best threshold of each class: the balanced accuracy is the largest on the shadows.

    A class of which the shadows have no members or no non-members takes the threshold of all.

    Args:
        scores: the shadows' scores; a larger one means "more likely a member".
        members: who is a member of which shadow.
        labels: the examples' labels.
        itself: which shadow each target is itself, and must do without; −1 for none.

    Raises:
        AttackUnavailable: if a target's shadows have no members or no non-members at all.

    Examples:
        >>> scores = np.array([[3.0, 1.0, 8.0, 5.0]])
        >>> members = np.array([[True, False, True, False]])
        >>> class_thresholds(scores, members, np.array([0, 0, 1, 1]), np.array([-1]))
        array([[2. , 6.5]])
    """
    of_all = _thresholds(scores, members, itself)
    if np.isnan(of_all).any():
        raise AttackUnavailable(
            "thresholds are chosen on shadows that have members and non-members among the "
            "examples, and some target has none: train more models"
        )
    classes = int(labels.max()) + 1
    found = np.empty((len(itself), classes))
    for label in range(classes):
        chosen = labels == label
        found[:, label] = _thresholds(scores[:, chosen], members[:, chosen], itself)
    return np.where(np.isnan(found), of_all[:, None], found)


def _thresholds(
    scores: Float[np.ndarray, "shadows examples"],
    members: Bool[np.ndarray, "shadows examples"],
    itself: Int[np.ndarray, " targets"],
) -> Float[np.ndarray, " targets"]:
    """One threshold a target; NaN without members or without non-members."""
    order = np.argsort(-scores, axis=None, kind="stable")
    falling = scores.ravel()[order].astype(float)
    member = members.ravel()[order]
    shadow = order // max(1, scores.shape[1])
    found = np.full(len(itself), np.nan)
    for i, left_out in enumerate(itself):
        there = shadow != left_out
        own, value = member[there], falling[there]
        above, false = np.cumsum(own), np.cumsum(~own)
        if not len(own) or not above[-1] or not false[-1]:
            continue
        advantage = above / above[-1] - false / false[-1]
        # Equal scores lie on the same side.
        advantage[:-1][value[:-1] == value[1:]] = -np.inf
        best = int(advantage.argmax())
        found[i] = (value[best] + value[min(best + 1, len(value) - 1)]) / 2
    return found
