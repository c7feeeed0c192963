"""Privacy bounds of noisy gradient descent, by divergences: of a run, and before it begins."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float

from pptp_jax.metrics import Estimate
from pptp_jax.models.initialization import weight_variance
from pptp_jax.validation import Refused, at_least, fraction, not_negative, positive


def expected_jacobian_norm(
    widths: Sequence[int], initialization: str, squared_input_norm: float
) -> float:
    r"""E ‖∂f(x)/∂W‖² of a ReLU network without biases at its random start: exact.

    With L layers of widths \(m_0, \dots, m_L\) and weight variances \(\beta_l\) it is
    \(m_L \|x\|^2 \prod_{l<L} \frac{\beta_l m_l}{2} \sum_l \frac{\beta_L}{\beta_l}\). The squared
    gradient of the cross-entropy is at most twice as large in the mean.

    Args:
        widths: from the inputs to the outputs, such as (20, 30, 3).
        initialization: `lecun`, `he`, `xavier` or `ntk`.
        squared_input_norm: ‖x‖².

    Raises:
        ValueError: if there are fewer than two widths, one is below 1, or the name is unknown.

    References:
        Ye et al., "Initialization Matters: Privacy-Utility Analysis of Overparameterized Neural
        Networks", NeurIPS 2023, https://arxiv.org/abs/2310.20579, lemma 4.1; written out for
        single widths by us

    Examples:
        >>> names = ("lecun", "xavier", "he", "ntk")
        >>> [round(expected_jacobian_norm((20, 30, 3), name, 20.0), 1) for name in names]
        [75.0, 90.5, 150.0, 360.0]
    """
    at_least(2, **{"the number of widths": len(widths)})
    at_least(1, **{f"widths[{i}]": width for i, width in enumerate(widths)})
    positive(squared_input_norm=squared_input_norm)
    layers = list(pairwise(widths))
    variances = np.array(
        [
            weight_variance(initialization, *layer, last=i == len(layers) - 1)
            for i, layer in enumerate(layers)
        ]
    )
    hidden = np.array(widths[1:-1], float)
    gain = float(np.prod(variances[:-1] * hidden / 2))
    return float(widths[-1] * squared_input_norm * gain * (variances[-1] / variances).sum())


def kl_of_noisy_gd(
    step_sizes: Float[np.ndarray, " steps"],
    noise_stddevs: Float[np.ndarray, " steps"],
    squared_gradient_differences: Float[np.ndarray, "runs steps"],
) -> Estimate:
    r"""The divergence of two trainings by noisy descent that differ in one example.

    A step is \(w \leftarrow w - \eta_k \nabla L(w) + \xi_k\) with \(\xi_k \sim N(0, s_k^2 I)\). By
    the chain rule the paths have \(KL = \sum_k \eta_k^2 E \|\nabla L(w_k; D) - \nabla L(w_k;
    D')\|^2 / 2 s_k^2\); the last iterate alone has at most that. The mean is over runs on D. It is
    an estimate for this example and no guarantee.

    Args:
        step_sizes: η.
        noise_stddevs: s, of what is added to the weights in a step.
        squared_gradient_differences: ‖∇L(w; D) − ∇L(w; D')‖² at each step of each run. If the
            example is left out of a sum that is divided by a fixed n, it is ‖∇ℓ‖² / n².

    Returns:
        The mean over the runs with twice its standard error on both sides; without a second run
        there is no interval.

    Raises:
        ValueError: if the shapes disagree, there is no run, a step size is not finite, a difference
            is negative or the noise is not positive.

    References:
        Ye et al., 2023, https://arxiv.org/abs/2310.20579; the discrete form is ours

    Examples:
        >>> found = kl_of_noisy_gd([0.1, 0.1], [0.5, 0.5], [[1.0, 4.0], [1.0, 2.0]])
        >>> round(found.value, 3)
        0.08
    """
    steps = np.asarray(step_sizes, float)
    noise = np.asarray(noise_stddevs, float)
    apart = np.asarray(squared_gradient_differences, float)
    if steps.ndim != 1 or noise.shape != steps.shape or apart.shape[1:] != steps.shape:
        raise Refused(
            "step_sizes and noise_stddevs need one number a step and the differences shape (runs, "
            f"steps), got {steps.shape}, {noise.shape} and {apart.shape}"
        )
    if not len(apart):
        raise Refused("squared_gradient_differences need at least one run, got none")
    if not (np.isfinite(steps).all() and (noise > 0).all() and (apart >= 0).all()):
        raise Refused(
            "step_sizes must be finite, noise_stddevs positive and squared differences at least 0"
        )
    each = (steps**2 * apart / (2 * noise**2)).sum(axis=1)
    value = float(each.mean())
    if len(each) < 2:
        return Estimate(value, None, None)
    error = 2 * float(each.std(ddof=1)) / len(each) ** 0.5
    return Estimate(value, max(0.0, value - error), value + error)


def kl_of_langevin(
    time: float,
    noise: float,
    *,
    squared_difference: float,
    squared_gradient: float,
    changed_share: float,
    smoothness: float,
    slack: float = 0.0,
    rank: int,
) -> float:
    r"""A bound on the divergence of two trainings by Langevin diffusion, before they begin.

    The diffusion is \(dW = -\nabla L(W; D) dt + \sqrt{2 \sigma^2} dB\) from a given start. The
    gradients of examples are smooth but for a slack: \(\|\nabla \ell(W) - \nabla \ell(W')\| \le
    \max(c, \beta \|W - W'\|_M)\), with M a projection of rank r. Then with \(k = 2 + \beta^2\),
    \(\delta\) the share of the examples that is changed and \(A = \|\nabla L(W_0)\|_M^2 + c^2 + 2
    \sigma^2 r\), the divergence of the paths is at most \(\frac{1}{2 \sigma^2} \left(T \|\Delta
    \nabla L(W_0)\|^2 + \delta^2 c^2 T + \delta^2 \beta^2 A (e^{kT} - 1 - kT) / k^2\right)\).

    It needs no training run, no clipping, and holds for these two data sets alone. The last term
    grows exponentially: for long trainings `kl_of_noisy_gd` of a run says more.

    Args:
        time: T; of steps of size η it is their number times η.
        noise: σ of the diffusion; a step of size η adds noise of standard deviation σ √(2η).
        squared_difference: ‖∇L(W₀; D) − ∇L(W₀; D')‖².
        squared_gradient: ‖∇L(W₀; D)‖², of its part within M.
        changed_share: δ, 1 / n for an example left out of a sum that is divided by a fixed n, and
            2 / n for an example replaced.
        smoothness: β.
        slack: c.
        rank: r; the number of weights if M is the identity.

    Raises:
        ValueError: if a number is out of its range.

    References:
        Ye et al., 2023, https://arxiv.org/abs/2310.20579, lemma 3.2: its assumption, its three
        terms and the factor 2 + β² are as in the paper's public review; the constants and the
        proof (Girsanov, then Grönwall for E ‖W − W₀‖²_M) are ours

    Examples:
        >>> numbers = {"squared_difference": 1e-4, "squared_gradient": 1.0, "changed_share": 0.01}
        >>> [
        ...     round(kl_of_langevin(time, 0.1, **numbers, smoothness=1.0, rank=100), 4)
        ...     for time in (0.1, 1.0)
        ... ]
        [0.0006, 0.0318]
    """
    positive(time=time, noise=noise)
    not_negative(
        squared_difference=squared_difference,
        squared_gradient=squared_gradient,
        smoothness=smoothness,
        slack=slack,
    )
    fraction(changed_share=changed_share)
    at_least(0, rank=rank)
    moved = squared_gradient + slack**2 + 2 * noise**2 * rank
    x = (2 + smoothness**2) * time
    with np.errstate(over="ignore"):
        grown = time**2 * (0.5 + x / 6 if x < 1e-3 else float((np.expm1(x) - x) / x**2))
    late = changed_share**2 * slack**2 * time
    if changed_share * smoothness * moved:  # `grown` may be infinite
        late += changed_share**2 * smoothness**2 * moved * grown
    return (time * squared_difference + late) / (2 * noise**2)


def advantage_from_kl(kl: float | Float[np.ndarray, "..."]) -> Any:
    r"""The most by which true positives exceed false ones, at a divergence.

    The smaller of \(\sqrt{KL/2}\) (Pinsker) and \(\sqrt{1 - e^{-KL}}\) (Bretagnolle and Huber).

    Args:
        kl: the divergence, in nats; one number or several.

    Raises:
        ValueError: if it is negative.

    Examples:
        >>> [round(advantage_from_kl(kl), 3) for kl in (0.02, 2.0)]
        [0.1, 0.93]
    """
    each = np.asarray(kl, float)
    if not (each >= 0).all():
        raise Refused("a divergence is at least 0")
    found = np.minimum(np.sqrt(each / 2), np.sqrt(-np.expm1(-each)))
    return found if found.ndim else float(found)
