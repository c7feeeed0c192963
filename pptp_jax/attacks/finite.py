"""Refuse signals that hold NaN or infinity."""

import jax
import numpy as np
from jaxtyping import Shaped

from pptp_jax.validation import Refused

_NAMED = 8


def check_finite(
    name: str, array: Shaped[np.ndarray, "..."], *, by_model: bool, infinite: bool = False
) -> None:
    """Refuses a signal that is not finite.

    Args:
        name: what the signal is called.
        array: the signal.
        by_model: whether the first axis is that of models, which are then named.
        infinite: whether infinite values are allowed, as φ is of a probability of 1.

    Raises:
        ValueError: saying how many values are NaN or infinite, and in which models.

    Examples:
        >>> check_finite("logits", np.array([[0.0, np.nan], [1.0, 2.0]]), by_model=True)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: logits must be finite; 1 of 4 values is NaN ... in model 0: ...
    """
    if not jax.dtypes.issubdtype(array.dtype, np.floating):
        return
    bad = np.isnan(array) if infinite else ~np.isfinite(array)
    if not bad.any():
        return
    where = ""
    if by_model:
        rows = np.flatnonzero(bad.reshape(len(array), -1).any(axis=1))
        more = " ..." if len(rows) > _NAMED else ""
        where = f", in model {', '.join(map(str, rows[:_NAMED]))}{more}"
    is_are = "is" if bad.sum() == 1 else "are"
    what = "NaN" if infinite else "NaN or infinite"
    raise Refused(
        f"{name} must be {'numbers' if infinite else 'finite'}; {bad.sum()} of {array.size} values "
        f"{is_are} {what}{where}: leave out models that diverged"
    )
