"""Reconstruct an input from the gradient of the first dense layer."""

import numpy as np
from jaxtyping import Float

from pptp_jax.validation import Refused, not_negative


def restored_input(
    kernel_gradient: Float[np.ndarray, "inputs units"], bias_gradient: Float[np.ndarray, " units"]
) -> Float[np.ndarray, " inputs"]:
    r"""One example's inputs from the gradient of a dense layer that sees them.

    The gradient of the kernel is \(x \delta^\top\) and that of the bias \(\delta\), so least
    squares give \(\hat x = G\delta / \|\delta\|^2\): exactly x without noise.

    Args:
        kernel_gradient: G.
        bias_gradient: δ.

    Raises:
        ValueError: if the shapes disagree, or δ is zero, which says nothing of x.

    Examples:
        >>> x, delta = np.array([1.0, -2.0, 3.0]), np.array([0.5, 0.0, -1.0, 2.0])
        >>> print(restored_input(np.outer(x, delta), delta))
        [ 1. -2.  3.]
    """
    gradient, delta = np.asarray(kernel_gradient, float), np.asarray(bias_gradient, float)
    if gradient.ndim != 2 or delta.shape != gradient.shape[1:]:
        raise Refused(
            "a dense layer has a kernel (inputs, units) and a bias (units,), got gradients of "
            f"shape {gradient.shape} and {delta.shape}"
        )
    if not delta.any():
        raise Refused("the gradient of the bias is zero: it says nothing of the inputs")
    return gradient @ delta / (delta @ delta)


def reconstruction_error(
    noise_stddev: float, bias_gradient: Float[np.ndarray, "... units"]
) -> Float[np.ndarray, "..."]:
    r"""The deviation of each rebuilt input, if noise lies on the kernel's gradient.

    Noise of deviation s on each entry of G gives `restored_input` an error of variance
    \(s^2 / \|\delta\|^2\) on each input; δ itself counts as known, which favours the attacker. No
    estimator without bias has less. An example with a small δ is hard to rebuild.

    Args:
        noise_stddev: s: of a sum of gradients, the noise multiplier times the clipping norm.
        bias_gradient: δ, of one example or of several.

    Returns:
        One deviation an example, in units of the inputs; infinite where δ is zero.

    Raises:
        ValueError: if the deviation is negative.

    Examples:
        >>> print(reconstruction_error(0.5, np.array([[3.0, 4.0], [0.3, 0.4]])))
        [0.1 1. ]
    """
    not_negative(noise_stddev=noise_stddev)
    norms = np.linalg.norm(np.asarray(bias_gradient, float), axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(norms > 0, noise_stddev / norms, np.inf)
