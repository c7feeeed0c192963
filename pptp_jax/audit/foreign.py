"""Arrays of any library as NumPy's own."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from pptp_jax.validation import Refused


def plain(name: str, array: Any) -> Shaped[np.ndarray, "..."]:
    """An array of NumPy, JAX, PyTorch or TensorFlow, or nested sequences, as NumPy's own.

    What NumPy has no type for, such as bfloat16, becomes float32, or int32.

    Args:
        name: what the array is called where it is refused.
        array: the array; a tensor of PyTorch may be on any device, and need a gradient.

    Raises:
        ValueError: if it is no array, or part of it is masked.

    Examples:
        >>> plain("logits", jax.numpy.ones(2, "bfloat16")).dtype
        dtype('float32')
    """
    if hasattr(array, "detach"):  # a tensor of PyTorch
        array = array.detach().cpu()
        if "bfloat16" in str(array.dtype):
            array = array.float()
    elif np.ma.is_masked(array):  # NumPy would hand over what lies below the mask
        raise Refused(f"{name} is masked at some places: hand over what is there alone")
    elif isinstance(array, list | tuple):
        array = [plain(name, part) for part in array]
    try:
        found = np.asarray(array)
    except ValueError as error:  # NumPy's word for parts of different shapes
        raise Refused(f"{name} must be one array, and its parts do not fit: {error}") from error
    if found.dtype.kind == "V" and found.dtype.names is None and found.dtype.itemsize < 4:
        for kind, wide in ((np.floating, np.float32), (np.integer, np.int32)):
            if jax.dtypes.issubdtype(found.dtype, kind):
                return found.astype(wide)
    return found


def as_float32(name: str, array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """The array in the precision of the attacks.

    Raises:
        ValueError: if it holds finite numbers that float32 does not.
    """
    with np.errstate(over="ignore"):
        found = array.astype(np.float32)
    lost = np.isinf(found) & np.isfinite(array)
    if lost.any():
        raise Refused(
            f"{name} must lie within ±{np.finfo(np.float32).max:.3g}, as float32 does, with which "
            f"the attacks compute; {lost.sum()} of {lost.size} values do not, such as "
            f"{array[lost][0]:.3g}"
        )
    return found
