"""White-box attacks by one signal: the norms of the loss's gradients."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.validation import Refused


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
