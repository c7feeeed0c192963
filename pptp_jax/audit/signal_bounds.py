"""Check that a user's signals lie within the bounds of their kind."""

import numpy as np
from jaxtyping import Shaped

from pptp_jax.validation import Refused

_BOUNDS = {
    "noisy_correct": (0, 1),
    "boundary_distance": (0, np.inf),
    "gradient_norms": (0, np.inf),
    "input_gradient_norm": (0, np.inf),
    "token_log_prob": (-np.inf, 0),
    "token_mean": (-np.inf, 0),
    "token_deviation": (0, np.inf),
    "compressed_length": (1, np.inf),
    "base_divergence": (0, np.inf),
    **dict.fromkeys(
        (
            "base_log_prob",
            "base_token_log_prob",
            "lowered_log_prob",
            "neighbour_log_prob",
            "prefixed_log_prob",
            "unprefixed_log_prob",
        ),
        (-np.inf, 0),
    ),
}
# What is known of an example without the model, so that one row serves all models.
WITHOUT_MODEL = ("base_log_prob", "base_token_log_prob", "compressed_length")
# What is true or false.
TRUTHS = ("correct", "token_first", "token_present", "transferred_correct")


def in_bounds(name: str, array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """The array of a signal; booleans of what is true or false.

    Args:
        name: the signal.
        array: its numbers.

    Raises:
        ValueError: if some lie out of its bounds.

    Examples:
        >>> in_bounds("correct", np.array([1, 0]))
        array([ True, False])
    """
    if name in _BOUNDS and array.size:
        low, high = _BOUNDS[name]
        if array.min() < low or array.max() > high:
            bounds = f"be at least {low}" if high == np.inf else f"lie between {low} and {high}"
            raise Refused(
                f"{name} must {bounds}; its values go from {array.min():.4g} to {array.max():.4g}"
            )
    if name in TRUTHS and array.dtype != bool:
        if not np.isin(array, (0, 1)).all():
            raise Refused(f"{name} must be True or False, or 1 or 0, for each model and example")
        array = array.astype(bool)
    return array
