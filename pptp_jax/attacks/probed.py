"""Attacks by one signal that was taken with the model at hand: distances, noise, gradients."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.validation import Refused


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


def gradient_norm(
    evidence: Evidence, *, blocks: tuple[int, ...] | None = None
) -> Float[Array, "targets attacked"]:
    """−‖∇_θ ℓ‖, for all weights or for those of a region.

    Args:
        evidence: with `gradient_norms`, the norms by block.
        blocks: the numbers of the blocks that make up the region; None for all.

    Raises:
        Refused: if there is no such block.

    References:
        Nasr, Shokri and Houmansadr, "Comprehensive Privacy Analysis of Deep Learning", 2019,
        https://arxiv.org/abs/1812.00910

    Examples:
        >>> import numpy as np
        >>> norms, membership = np.float32([[[3.0], [4.0]]]), np.array([[True]])
        >>> held = Evidence.leave_one_out({"gradient_norms": norms}, membership)
        >>> print(gradient_norm(held), gradient_norm(held, blocks=(0,)))
        [[-5.]] [[-3.]]
    """
    norms = evidence.target_signal("gradient_norms")
    if blocks is not None:
        for block in blocks:
            if not 0 <= block < norms.shape[1]:
                raise Refused(f"block must be one of 0 to {norms.shape[1] - 1}, got {block}")
        norms = norms[:, jnp.array(blocks)]
    return -jnp.sqrt(jnp.square(norms).sum(axis=1))


def input_gradient_norm(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """−‖∇_x ℓ‖, the norm of the loss's gradient by the inputs.

    Args:
        evidence: with `input_gradient_norm`.

    References:
        Rezaei and Liu, "On the Difficulty of Membership Inference Attacks", CVPR 2021,
        https://arxiv.org/abs/2005.13702

    Examples:
        >>> import numpy as np
        >>> norms, membership = np.float32([[3.0]]), np.array([[True]])
        >>> held = Evidence.leave_one_out({"input_gradient_norm": norms}, membership)
        >>> print(input_gradient_norm(held))
        [[-3.]]
    """
    return -evidence.target_signal("input_gradient_norm")
