"""Label-only attacks by one signal: the distance to the boundary, and right answers under noise."""

from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence


def boundary_distance(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """How far the example is from the nearest input with another label; 0 where it has one itself.

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
    """How often the label stays right when the inputs are disturbed at random.

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
