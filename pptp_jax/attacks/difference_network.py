"""SecMI by a network that reads where in an image a denoiser misses its start."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.membership_network import Training, learned_of_others
from pptp_jax.attacks.perceptron import Perceptron
from pptp_jax.validation import Refused


def secmi_nns(
    evidence: Evidence,
    *,
    timestep: int | None = None,
    hidden: Sequence[int] = (64,),
    steps: int = 1000,
    learning_rate: float = 3e-3,
    folds: int = 4,
    seed: int = 0,
) -> Float[np.ndarray, "targets attacked"]:
    """SecMI's network: the log-odds of membership by the difference images |x_t − x_t'|.

    Args:
        evidence: with `secmi_difference`.
        timestep: the place of the timestep whose image is read, one as published; None reads those
            of all timesteps of the signal.
        hidden: the widths of the hidden layers.
        steps: how many batches of 256 pairs each network learns from.
        learning_rate: that of Adam.
        folds: how many networks share the targets (see `folds_of`).
        seed: what initial values and batches derive from.

    Raises:
        ValueError: if there is no such timestep.
        AttackUnavailable: if some target has no shadow with both members and non-members.

    References:
        Duan et al., "Are Diffusion Models Vulnerable to Membership Inference Attacks?", ICML 2023,
        https://arxiv.org/abs/2302.01316

    Examples:
        >>> membership = np.arange(4)[:, None] % 2 == np.arange(40)[None] // 2 % 2
        >>> images = np.ones((4, 2, 40, 3)) - membership[:, None, :, None] / 2
        >>> held = Evidence.leave_one_out({"secmi_difference": np.float32(images)}, membership)
        >>> scores = secmi_nns(held, steps=100)
        >>> bool(scores[membership].min() > scores[~membership].max())
        True
    """
    own = evidence.target_signal("secmi_difference")
    known = evidence.shadow_signal("secmi_difference", all_examples=True)
    count = own.shape[1]
    if timestep is not None and not 0 <= timestep < count:
        raise Refused(f"timestep must be from 0 to {count - 1}, a place, got {timestep}")
    chosen = slice(None) if timestep is None else slice(timestep, timestep + 1)
    own, known = (
        jnp.moveaxis(a[:, chosen], 1, 2).reshape(len(a), a.shape[2], -1) for a in (own, known)
    )
    training = Training(Perceptron((*hidden, 2)), steps, learning_rate, folds, seed)
    return learned_of_others(evidence, own, known, training)
