"""Label-only attacks: distance to the decision boundary, robustness to noise, and transfer."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.validation import Refused


def boundary_distance(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The distance to the nearest input with another label; 0 where the example has one itself.

    Label-only, where the distance was found by asking for labels, as
    `pptp_jax.signals.boundary_distance` does.

    Args:
        evidence: with `boundary_distance`.

    References:
        Choquette-Choo et al., "Label-Only Membership Inference Attacks", ICML 2021,
        https://arxiv.org/abs/2007.14321

    Examples:
        >>> import numpy as np
        >>> distance, membership = np.float32([[0.5, 0.0]]), np.array([[True, False]])
        >>> held = Evidence.leave_one_out({"boundary_distance": distance}, membership)
        >>> print(boundary_distance(held))
        [[0.5 0. ]]
    """
    return evidence.target_signal("boundary_distance")


def noise(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The share of noisy copies of an example that the target labels right.

    Label-only; for binary inputs the disturbance flips bits (`pptp_jax.signals.noisy_correct`).

    Args:
        evidence: with `noisy_correct`, the share of the disturbed inputs whose label is right.

    References:
        Choquette-Choo et al., "Label-Only Membership Inference Attacks", ICML 2021,
        https://arxiv.org/abs/2007.14321

    Examples:
        >>> import numpy as np
        >>> share, membership = np.float32([[1.0, 0.25]]), np.array([[True, False]])
        >>> print(noise(Evidence.leave_one_out({"noisy_correct": share}, membership)))
        [[1.   0.25]]
    """
    return evidence.target_signal("noisy_correct")


def oslo(evidence: Evidence, *, threshold: int | None = None) -> Float[Array, "targets attacked"]:
    """OSLO: how often the target labels right an input that fools models without the example.

    Label-only, by one query for each threshold (`pptp_jax.training.transferred_correct`). A single
    threshold is the published attack, whose answer is yes or no; the share over all of them orders
    examples, so that it has a ROC curve.

    Args:
        evidence: with `transferred_correct`.
        threshold: the number of the threshold that counts; None takes the share over all of them.

    Raises:
        ValueError: if there is no such threshold.

    References:
        Peng et al., "OSLO: One-Shot Label-Only Membership Inference Attacks", NeurIPS 2024,
        https://arxiv.org/abs/2405.16978

    Examples:
        >>> import numpy as np
        >>> right = np.array([[[True, True], [True, False]]])  # (models, thresholds, examples)
        >>> membership = np.array([[True, False]])
        >>> held = Evidence.leave_one_out({"transferred_correct": right}, membership)
        >>> print(oslo(held), oslo(held, threshold=0))
        [[1.  0.5]] [[1. 1.]]
    """
    right = evidence.target_signal("transferred_correct").astype(jnp.float32)
    if threshold is None:
        return right.mean(axis=1)
    if not 0 <= threshold < right.shape[1]:
        raise Refused(
            f"threshold must be from 0 to {right.shape[1] - 1}, as there are {right.shape[1]} "
            f"thresholds, got {threshold}"
        )
    return right[:, threshold]
