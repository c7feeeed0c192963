"""Check a user's array of owners, one an example."""

from typing import Any

import numpy as np
from jaxtyping import Shaped

from pptp_jax.audit.foreign import plain
from pptp_jax.validation import Refused


def check_owners(owners: Any, examples: int) -> Shaped[np.ndarray, " examples"]:
    """The owners as a NumPy array of integers or texts.

    Args:
        owners: whose each example is.
        examples: how many examples there are.

    Raises:
        ValueError: saying what is wrong with them.

    Examples:
        >>> check_owners(["ann", "bob", "ann"], 3).tolist()
        ['ann', 'bob', 'ann']
    """
    found = np.asarray(owners) if isinstance(owners, list | tuple) else plain("owners", owners)
    if found.dtype.kind not in "iuUS":
        raise Refused(
            "owners must be integers or texts, one an example, got an array of "
            f"{found.dtype}" + ": hand over owners.astype(str)" * (found.dtype.kind == "O")
        )
    if found.shape != (examples,):
        raise Refused(f"owners must have shape ({examples},), one an example, got {found.shape}")
    if len(np.unique(found)) < 2:
        raise Refused("owners must be at least two, and all examples are of one")
    return found
