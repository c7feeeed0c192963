"""What one replaced example changes: of a score, of an attacker's advantage, of the weights."""

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from pptp_jax.metrics import Estimate
from pptp_jax.validation import Refused, at_least, positive


def replace_one_advantage(
    losses_with: Float[np.ndarray, " pairs"],
    losses_without: Float[np.ndarray, " pairs"],
    *,
    most: float = 1.0,
) -> Estimate:
    r"""The advantage of the attacker who says "member" with probability 1 − loss / B.

    A pair is two trainings, on S and on S′, in which another example stands in the place of z. The
    pairs give the loss \(\ell(S, z)\) of an example by the network that learned it, and
    \(\ell(S', z)\) by the one that learned another in its place.

    **An identity.** Let examples be drawn independently, or S be a random half of a pool, and the
    training be symmetric: an example's place does not matter, as where batches are shuffled. Then
    \((S', z)\) and \((S, \text{non-member})\) have one distribution. So \(E[\ell(S', z) -
    \ell(S, z)]\) is the mean loss of non-members less that of members. The attacker's true
    positive rate is \(1 - E\,\ell(S, z) / B\), and the false one \(1 - E\,\ell(S', z) / B\): their
    difference, the advantage, is \(E[\ell(S', z) - \ell(S, z)] / B\). No bound and no smoothness
    are needed, and the loss may be any function of network and example with values in [0, B].

    That two trainings share seed, batches and noise changes no mean, only the standard error.

    Args:
        losses_with: \(\ell(S, z)\) of each pair; pairs are independent of each other.
        losses_without: \(\ell(S', z)\).
        most: B.

    Returns:
        The mean over the pairs with twice its standard error on both sides; one pair has no
        interval.

    Raises:
        ValueError: if the shapes differ, there is no pair, or a loss is not in [0, B].

    References:
        Yeom et al., "Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting",
        CSF 2018, https://arxiv.org/abs/1709.01604 (the attacker, and its advantage)
        Shalev-Shwartz et al., "Learnability, Stability and Uniform Convergence", JMLR 2010 (the
        identity)

    Examples:
        >>> found = replace_one_advantage(np.array([0.1, 0.3]), np.array([0.5, 0.4]))
        >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
        (0.25, -0.05, 0.55)
    """
    positive(most=most)
    learned, other = np.asarray(losses_with, float), np.asarray(losses_without, float)
    if learned.ndim != 1 or learned.shape != other.shape or not len(learned):
        raise Refused(
            f"losses_with and losses_without need one number a pair, shape (pairs,), got "
            f"{learned.shape} and {other.shape}"
        )
    both = np.concatenate([learned, other])
    if not ((both >= 0) & (both <= most)).all():
        raise Refused(
            f"losses must lie between 0 and most={most:g}: cut them off there, as any function of "
            "network and example will do"
        )
    return Estimate.of_mean((other - learned) / most)


def noisy_score_advantage(changes: Float[np.ndarray, "pairs ..."], noise: float) -> Estimate:
    r"""The most advantage that any attacker has who sees a score with Gaussian noise on it.

    The attacker sees \(f + N(0, s^2 I)\), with f some numbers that a network gives, such as an
    example's losses, or all of its weights. Let \(\Delta = f(S') - f(S)\) in a pair that shares all
    randomness but for the example. Given that randomness, the best attacker's advantage is the
    total variation of two Gaussians at a distance of ‖Δ‖: \(2 \Phi(\|\Delta\| / 2 s) - 1\). An
    attacker who does not know the randomness sees mixtures of these, and total variation is convex:
    the advantage is at most \(E[2 \Phi(\|\Delta\| / 2 s) - 1]\).

    It holds for the mean over examples and for any way of sharing randomness. The noise must really
    be added: to put the spread of the score over networks in its place is no bound. The mean over
    pairs is an estimate, and no guarantee for an example.

    Args:
        changes: Δ of each pair, one number or several.
        noise: s.

    Returns:
        The mean over the pairs with twice its standard error on both sides; one pair has no
        interval.

    Raises:
        ValueError: if there is no pair, a change is not finite, or the noise is not positive.

    Examples:
        >>> round(noisy_score_advantage(np.array([0.2, -2.0]), 1.0).value, 4)
        0.3812
        >>> round(noisy_score_advantage(np.array([[3.0, 4.0]]), 2.5).value, 4)
        0.6827
    """
    positive(noise=noise)
    each = np.asarray(changes, float)
    if not each.ndim or not len(each) or not np.isfinite(each).all():
        raise Refused(
            f"changes need finite numbers for at least one pair, shape (pairs, ...), got shape "
            f"{each.shape}"
        )
    distance = np.linalg.norm(each.reshape(len(each), -1), axis=1)
    return Estimate.of_mean(2 * norm.cdf(distance / (2 * noise)) - 1)


def replace_one_divergence(
    smoothness: Float[np.ndarray, "players players"],
    gradient_differences: Float[np.ndarray, " players"],
    examples: int,
    *,
    step_size: float,
    steps: int,
) -> Float[np.ndarray, "steps players"]:
    r"""The most that one replaced example moves the weights of each player.

    Players take simultaneous steps \(\theta_j \leftarrow \theta_j - \eta\, g_j(\theta)\), with
    \(g_j\) the mean of the examples' gradients, and a part that sees no example. Two trainings
    begin alike and share all noise. With \(\|g_j(\theta) - g_j(\theta')\| \le \sum_k \beta_{jk}
    \|\theta_k - \theta'_k\|\), and \(\|\nabla_j \ell(z) - \nabla_j \ell(z')\| \le \Delta_j\) for
    any two examples, the triangle inequality gives for the distances \(d_j = \|\theta_j -
    \theta'_j\|\)

    \[ d^{t+1} \le (I + \eta B)\, d^t + \eta \Delta / n, \qquad d^0 = 0. \]

    A 1×1 matrix is a single network, such as a denoiser. A GAN has the players discriminator and
    generator, and \(\Delta = (\Delta_D, 0)\): the generator sees no example. To lowest order
    \(d_D = \eta t \Delta_D / n\) and \(d_G = \eta^2 \frac{t (t - 1)}{2} \beta_{GD} \Delta_D / n\).
    **The generator is behind at the start alone**: later the greatest eigenvalue of B governs both
    players, and \(d_G / d_D\) tends to a constant.

    For random batches of b of n examples it bounds the expected distances: the replaced example
    adds \(\eta \Delta / b\) with probability b / n, and the recursion is linear. Equality holds
    where nothing contracts and all is in line. Momentum and Adam are not covered.

    Args:
        smoothness: B; row j is the gradient of player j.
        gradient_differences: Δ; 2 L where each example's gradient is at most L, and 2 C where it is
            clipped to C. 0 for a player that sees no example.
        examples: n.
        step_size: η.
        steps: how many.

    Returns:
        The bounds after 0, 1, ..., `steps` steps.

    Raises:
        ValueError: if the shapes disagree or a number is out of range.

    References:
        Hardt, Recht and Singer, "Train Faster, Generalize Better: Stability of Stochastic Gradient
        Descent", ICML 2016, https://arxiv.org/abs/1509.01240 (one network); with players it is our
        reconstruction of an argument of which arXiv 2509.03341 has the abstract alone

    Examples:
        >>> settings = {"examples": 100, "step_size": 0.1, "steps": 3}
        >>> print(replace_one_divergence(np.array([[1.0]]), np.array([2.0]), **settings).round(5).T)
        [[0.      0.002   0.0042  0.00662]]
        >>> game = np.array([[0.0, 1.0], [1.0, 0.0]])
        >>> print(replace_one_divergence(game, np.array([2.0, 0.0]), **settings).round(5).T)
        [[0.      0.002   0.004   0.00602]
         [0.      0.      0.0002  0.0006 ]]
    """
    matrix, own = np.asarray(smoothness, float), np.asarray(gradient_differences, float)
    if own.ndim != 1 or matrix.shape != (len(own), len(own)):
        raise Refused(
            "gradient_differences need one number a player and smoothness shape (players, "
            f"players), got {own.shape} and {matrix.shape}"
        )
    if not ((matrix >= 0) & np.isfinite(matrix)).all() or not ((own >= 0) & np.isfinite(own)).all():
        raise Refused("smoothness and gradient_differences must be finite and at least 0")
    at_least(1, examples=examples)
    at_least(0, steps=steps)
    positive(step_size=step_size)
    bounds = np.zeros((steps + 1, len(own)))
    for step in range(steps):
        before = bounds[step]
        bounds[step + 1] = before + step_size * (matrix @ before + own / examples)
    return bounds
