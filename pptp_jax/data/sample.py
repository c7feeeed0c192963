"""Which examples of a source take part."""

import numpy as np
from jaxtyping import Int

from pptp_jax.validation import Refused, at_least


def sample(
    available: int, *, examples: int | None, multiple: int, seed: int
) -> Int[np.ndarray, " examples"]:
    """Rows drawn without replacement, in ascending order.

    Args:
        available: how many rows there are.
        examples: how many to draw; None takes as many as `multiple` allows.
        multiple: what the number of examples must be divisible by, for the split into members and
            non-members to come out even.
        seed: what the draw depends on.

    Raises:
        ValueError: if there are too few rows, or `examples` is no multiple.

    Examples:
        >>> len(sample(1797, examples=None, multiple=2, seed=0))
        1796
    """
    if examples is None:
        examples = available // multiple * multiple
        if examples == 0:
            raise Refused(
                f"{available} examples are too few for the split, which needs at least {multiple}"
            )
    at_least(1, examples=examples)
    if examples > available:
        raise Refused(f"{examples} examples were requested, but there are only {available}")
    if examples % multiple:
        raise Refused(
            f"examples must be a multiple of {multiple} for an even split, got {examples}; "
            f"the nearest below is {examples // multiple * multiple}"
        )
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(available, examples, replace=False))
