"""Count the non-members that equal, or nearly equal, a member."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Shaped

from pptp_jax.data.near_duplicates import near_duplicates
from pptp_jax.validation import Refused

# Two records are near at a tenth of the distance that is usual; in few dimensions many are by luck.
_SHARE, _FEWEST_NUMBERS = 0.1, 8
# Products of numbers, and tokens, that take some seconds to compare.
_MOST_PRODUCTS, _MOST_TOKENS = 3 * 10**10, 4_000_000


class SharedRecords(NamedTuple):
    """How many non-members have a copy among the members.

    Attributes:
        nonmembers: how many there are.
        exact: how many of them are equal to a member in every byte of their inputs.
        near: how many others nearly are; None where this was not looked for.
        measure: the distance that counts as near, or why it was not computed, as text.

    Examples:
        >>> print(SharedRecords(200, 3, 1, "at a tenth of the usual distance").in_words())
        3 of 200 non-members are equal to a member, and 1 nearly is (at a tenth of the usual ...
    """

    nonmembers: int
    exact: int
    near: int | None
    measure: str

    def in_words(self) -> str:
        """A sentence on what it means for the attacks."""
        nearly = "" if self.near is None else f", and {self.near or 'none'} nearly is"
        nearly = nearly.replace("nearly is", "nearly are") if (self.near or 0) > 1 else nearly
        words = (
            f"{self.exact or 'none'} of {self.nonmembers:,} non-members "
            f"{'is' if self.exact == 1 else 'are'} equal to a member{nearly} ({self.measure})"
        )
        if self.exact or self.near:
            words += (
                ". A model that has learned the member knows its copy as well, so attacks look "
                "weaker than they are: leave the copies out"
            )
        return words


def shared_records(
    x: Shaped[np.ndarray, "examples ..."],
    membership: Bool[np.ndarray, " examples"],
    *,
    tokens: bool = False,
) -> SharedRecords:
    """Counts the non-members that are also members, exactly or nearly.

    Near are texts with a Jaccard similarity of at least .8 between their shingles (see
    `near_duplicates`), and other inputs at a tenth, or less, of the median distance of a non-member
    to its nearest member. Columns of tables are scaled to a deviation of 1 first. Inputs of fewer
    than 8 numbers are not compared in this way, since many of them are near by chance. A shifted or
    turned image is not found.

    Args:
        x: the inputs.
        membership: who is a member.
        tokens: whether inputs are text: token numbers (records, tokens), with -1 behind the end.

    Raises:
        ValueError: if shapes disagree, or there are no members or no non-members.

    Examples:
        >>> x = np.random.default_rng(0).normal(size=(100, 10))
        >>> x[60], x[61] = x[10], x[11] + 0.001
        >>> found = shared_records(x, np.arange(100) < 50)
        >>> found.exact, found.near
        (1, 1)
    """
    if membership.dtype != bool or membership.shape != x.shape[:1]:
        raise Refused(
            f"membership must be boolean of shape ({len(x)},), one for each input, got "
            f"{membership.dtype} of shape {membership.shape}"
        )
    if membership.all() or not membership.any():
        raise Refused("there must be members and non-members, to be compared with each other")
    flat = np.ascontiguousarray(x.reshape(len(x), -1))
    _, number = np.unique(flat, axis=0, return_inverse=True)
    number = number.ravel()
    copied = np.isin(number, number[membership]) & ~membership
    exact = int(copied.sum()), int((~membership).sum())
    if tokens:
        near, measure = _near_texts(flat, membership, copied)
    else:
        near, measure = _near_numbers(flat, membership, copied, table=x.ndim == 2)
    return SharedRecords(exact[1], exact[0], near, measure)


def _near_texts(
    x: Int[np.ndarray, "records tokens"],
    membership: Bool[np.ndarray, " records"],
    copied: Bool[np.ndarray, " records"],
) -> tuple[int | None, str]:
    if x.size > _MOST_TOKENS:
        return None, f"near ones were not looked for among more than {_MOST_TOKENS:,} tokens"
    found = near_duplicates(x)
    one, other = np.concatenate([found.pairs, found.pairs[:, ::-1]]).T
    near = np.zeros(len(x), bool)
    near[other[membership[one]]] = True
    measure = f"a Jaccard similarity of at least {found.least:g} between shingles"
    return int((near & ~membership & ~copied).sum()), measure


def _near_numbers(
    x: Shaped[np.ndarray, "examples numbers"],
    membership: Bool[np.ndarray, " examples"],
    copied: Bool[np.ndarray, " examples"],
    *,
    table: bool,
) -> tuple[int | None, str]:
    members, others = x[membership], x[~membership & ~copied]
    if x.shape[1] < _FEWEST_NUMBERS:
        return None, f"near ones were not looked for in inputs of fewer than {_FEWEST_NUMBERS}"
    if len(members) * len(others) * x.shape[1] > _MOST_PRODUCTS:
        return None, "near ones were not looked for among so many numbers"
    measure = f"within {_SHARE:g} of the usual distance to the nearest member"
    if not len(others):
        return 0, measure
    from sklearn.metrics import pairwise_distances_argmin_min

    largest = np.abs(x.astype(np.float64)).max() or 1.0
    deviation = (x / largest).std(axis=0) if table else np.ones(x.shape[1])
    varies = deviation > 1e-9
    scale = largest * deviation[varies]
    if not varies.any():
        return 0, measure
    _, distance = pairwise_distances_argmin_min(
        others[:, varies] / scale, members[:, varies] / scale
    )
    return int((distance <= _SHARE * np.median(distance)).sum()), measure
