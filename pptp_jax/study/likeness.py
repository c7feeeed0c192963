"""Report near duplicates among a study's records."""

from collections.abc import Mapping
from typing import Any

from pptp_jax.data import Dataset, Membership, near_duplicates

# Tokens of a data set in which near duplicates are looked for: some seconds of bytes.
_MOST = 4_000_000


def likeness(data: Dataset, membership: Membership) -> Mapping[str, Any] | None:
    """Counts the records with a near duplicate; plain data with a sentence on it.

    Args:
        data: the study's examples.
        membership: who is a member of what.

    Returns:
        The settings and the numbers, with `words` for a person; None if the data are no text.

    Examples:
        >>> import numpy as np
        >>> from pptp_jax.data import Balanced, Topics
        >>> data = Topics(length=32).load(lambda n: np.arange(200))
        >>> found = likeness(data, Balanced(models=4).draw(200, seed=0))
        >>> found["records"], found["least"], found["width"]
        (200, 0.8, 5)
    """
    if data.vocabulary is None or data.num_classes is not None or data.y.dtype.kind not in "iu":
        return None
    if data.y.size > _MOST:
        words = (
            f"near duplicates were not looked for, since {data.y.size:,} tokens are more than "
            f"{_MOST:,}: data.near_duplicates does it at any size"
        )
        return {"words": words}
    found = near_duplicates(data.y)
    return {
        "records": found.records,
        "near": len(found.rows),
        "pairs": len(found.pairs),
        "least": found.least,
        "width": found.width,
        "leaking": found.leaking(membership),
        "words": found.in_words(membership),
    }
