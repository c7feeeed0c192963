"""Distribute Gaussian noise over statistics optimally."""

import jax.numpy as jnp
from jax.scipy.special import ndtri
from jaxtyping import Array, Float

from pptp_jax.validation import Refused, at_least, given, not_negative


def optimal_gaussian_noise(
    variance: Float[Array, " statistics"],
    pool_size: int,
    max_auc: float,
    squared_shifts: Float[Array, " statistics"] | None = None,
) -> Float[Array, " statistics"]:
    r"""The least independent Gaussian noise at which no attacker has a larger AUC.

    It minimises \(\sum_j \sigma_j^2\) at \(d'^2 = \sum_j a_j / (V^0_j + \sigma_j^2)\), where
    \(V^0\) is the variance that a statistic has without noise and \(a\) the squared shift by one
    person. The multiplier of \(d'^2\) is \(\lambda\), and
    \(\sigma_j^2 = [\sqrt{\lambda a_j} - V^0_j]_+\): reverse water-filling. Statistics whose
    \(V^0_j / \sqrt{a_j}\) is above the level get no noise.

    Args:
        variance: of a record; p(1 − p) for frequencies.
        pool_size: n, so that \(V^0\) is the variance over n.
        max_auc: what the best attacker on a random person may have, above .5 and below 1.
        squared_shifts: a; None is that of a random person, the variance over n².

    Returns:
        σ of each statistic; zeros if the release is safe without.

    Raises:
        ValueError: if the AUC or the pool's size is out of range, a variance or a squared shift is
            negative or infinite, or their shapes disagree.

    References:
        Our derivation, for the game of Zhang et al., 2024, https://arxiv.org/abs/2410.07414

    Examples:
        Rare attributes get less noise than common ones:

        >>> population = jnp.array([0.5, 0.1, 0.01])
        >>> noise = optimal_gaussian_noise(population * (1 - population), 10, max_auc=0.54)
        >>> [round(float(std), 2) for std in noise]
        [0.44, 0.35, 0.21]
    """
    at_least(1, pool_size=pool_size)
    if not 0.5 < max_auc < 1:
        raise Refused(f"max_auc must lie above .5 and below 1, got {max_auc}")
    if squared_shifts is not None and squared_shifts.shape != variance.shape:
        raise Refused(
            f"squared_shifts need one number a statistic, {variance.shape}, got "
            f"{squared_shifts.shape}"
        )
    not_negative(variance=variance, **given(squared_shifts=squared_shifts))
    base = variance / pool_size
    shifts = base / pool_size if squared_shifts is None else squared_shifts
    target = 2 * jnp.square(ndtri(jnp.float32(max_auc)))
    root = jnp.where(shifts > 0, jnp.sqrt(jnp.where(shifts > 0, shifts, 1.0)), 0.0)
    # In the order of the levels at which statistics begin to need noise: beyond the k-th, those up
    # to it have √a / level each of d'², the others what they have without noise.
    start = jnp.where(shifts > 0, base / jnp.where(shifts > 0, root, 1), jnp.inf)
    order = jnp.argsort(start)
    bare = jnp.where(shifts > 0, shifts / jnp.where(base > 0, base, jnp.inf), 0.0)[order]
    noised = jnp.cumsum(root[order])
    rest = jnp.cumsum(bare[::-1])[::-1] - bare
    ceiling = noised / jnp.where(target > rest, target - rest, jnp.nan)
    fits = (ceiling >= start[order]) & (ceiling <= jnp.append(start[order][1:], jnp.inf))
    level = jnp.where(fits.any(), ceiling[jnp.argmax(fits)], 0.0)
    needed = level * root - base
    # The derivative of a root at 0 is infinite.
    return jnp.where(needed > 0, jnp.sqrt(jnp.where(needed > 0, needed, 1.0)), 0.0)
