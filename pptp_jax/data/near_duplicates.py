"""Near duplicates: a non-member that resembles a member distorts attack results."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from pptp_jax.data.membership import Membership
from pptp_jax.validation import Refused, at_least, fraction

# Pairs whose shingles are compared at a time.
_AT_A_TIME = 1 << 16


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """The pairs of records that share most of their shingles.

    Attributes:
        pairs: the rows of both records, the earlier one first.
        similarity: the Jaccard similarity of their sets of shingles.
        records: how many records were compared.
        least: the smallest similarity that counts.
        width: the tokens of a shingle.

    Examples:
        >>> NearDuplicates(np.array([[0, 2]]), np.ones(1), 3, 0.8, 5).rows.tolist()
        [0, 2]
    """

    pairs: Int[np.ndarray, "pairs 2"]
    similarity: Float[np.ndarray, " pairs"]
    records: int
    least: float
    width: int

    @property
    def rows(self) -> Int[np.ndarray, " rows"]:
        """The records that have a near duplicate."""
        return np.unique(self.pairs)

    def later(self) -> Int[np.ndarray, " rows"]:
        """The records to leave out, so that no two of those that stay are near duplicates.

        Each record in its order stays, unless one that stays is its near duplicate.

        Examples:
            >>> pairs = np.array([[0, 1], [1, 2]])
            >>> NearDuplicates(pairs, np.ones(2), 3, 0.8, 5).later().tolist()
            [1]
        """
        out = np.zeros(self.records, bool)
        for first, second in self.pairs[np.lexsort(self.pairs.T)].tolist():
            out[second] |= not out[first]
        return np.flatnonzero(out)

    def leaking(self, membership: Membership) -> float:
        """The share of the targets' non-members that have a near duplicate among its members.

        Args:
            membership: who is a member of what; only examples that are attacked count.
        """
        matrix = membership.matrix[list(membership.targets)]
        attacked = np.zeros(matrix.shape[1], bool)
        attacked[membership.evaluated] = True
        near = np.zeros_like(matrix)
        for one, other in (self.pairs.T, self.pairs.T[::-1]):
            # Several pairs may name one record: plain indexing would keep the last alone.
            np.logical_or.at(near.T, one, matrix.T[other])
        nonmembers = ~matrix & attacked
        return float((near & nonmembers).sum() / max(nonmembers.sum(), 1))

    def in_words(self, membership: Membership) -> str:
        """A sentence on them and their effect on attacks.

        Args:
            membership: who is a member of what.
        """
        what = (
            f"a Jaccard similarity of at least {self.least:g} between their shingles of "
            f"{self.width} tokens"
        )
        if not len(self.pairs):
            return f"no two records are near duplicates, by {what}"
        return (
            f"{len(self.rows):,} of {self.records:,} records have a near duplicate, by {what}. "
            f"{self.leaking(membership):.1%} of a target's non-members resemble a member of it: a "
            "model that has learned the member knows them as well, so attacks look weaker than "
            "they are. data.Distinct leaves near duplicates out"
        )


def near_duplicates(
    tokens: Int[np.ndarray, "records tokens"], least: float = 0.8, width: int = 5
) -> NearDuplicates:
    """All pairs of records whose sets of shingles have at least a certain Jaccard similarity.

    A shingle is what stands in `width` neighbouring places: characters, where tokens are bytes. A
    record with fewer tokens is one shingle. The search misses nothing: two sets of a similarity of
    t or more have one of the rarest |A| − ⌈t |A|⌉ + 1 shingles of each in common, and only pairs
    that share one of these are compared.

    Args:
        tokens: one record a row, −1 behind its end, as in `Dataset.y` of text.
        least: the smallest similarity that counts.
        width: the tokens of a shingle.

    Returns:
        The pairs, sorted.

    Raises:
        ValueError: if tokens are no rows of integers, or an argument is out of range.

    References:
        Broder, "On the resemblance and containment of documents", 1997,
        https://doi.org/10.1109/SEQUEN.1997.666900 (shingles)
        Chaudhuri et al., "A Primitive Operator for Similarity Joins in Data Cleaning", 2006,
        https://doi.org/10.1109/ICDE.2006.9 (the rarest elements)

    Examples:
        >>> texts = ["a cat sat on the mat!", "a cat sat on the mat?", "nobody sat at all today"]
        >>> rows = [list(text.encode().ljust(24, b"."))for text in texts]
        >>> found = near_duplicates(np.array(rows), least=0.5)
        >>> found.pairs.tolist(), found.similarity.round(2).tolist()
        ([[0, 1]], [0.67])
    """
    if tokens.ndim != 2 or tokens.dtype.kind not in "iu":
        raise Refused(
            f"tokens must be integers of shape (records, tokens), got {tokens.dtype} of shape "
            f"{tokens.shape}"
        )
    fraction(least=least)
    if least == 0:
        raise Refused("least must be above 0: all records have a similarity of at least 0")
    at_least(1, width=width)
    sets = _shingles(tokens, width)
    sizes = np.diff(sets.indptr)
    rare = _rarest(sets, sizes, least)
    both = sparse.triu(rare @ rare.T, k=1, format="coo")
    candidates = np.stack([both.row, both.col], axis=1).astype(np.int64)
    found = [np.zeros((0, 2), np.int64)], [np.zeros(0)]
    for start in range(0, len(candidates), _AT_A_TIME):
        pairs = candidates[start : start + _AT_A_TIME]
        one, other = pairs.T
        common = np.asarray(sets[one].multiply(sets[other]).sum(axis=1)).ravel()
        similarity = common / (sizes[one] + sizes[other] - common)
        kept = similarity >= least - 1e-12
        found[0].append(pairs[kept])
        found[1].append(similarity[kept])
    pairs, similarity = np.concatenate(found[0]), np.concatenate(found[1])
    order = np.lexsort(pairs.T[::-1])
    return NearDuplicates(pairs[order], similarity[order], len(tokens), least, width)


def _shingles(tokens: Int[np.ndarray, "records tokens"], width: int) -> sparse.csr_array:
    """The shingles of each record."""
    filled = np.pad(
        tokens.astype(np.int64), ((0, 0), (0, max(width - tokens.shape[1], 0))), constant_values=-1
    )
    places = filled.shape[1] - width + 1
    # The shingle of each place by number: that of one token fewer, and the token behind it.
    number = np.unique(filled[:, :places], return_inverse=True)[1].reshape(len(filled), places)
    for behind in range(1, width):
        _, next_one = np.unique(filled[:, behind : behind + places], return_inverse=True)
        pair = number * (next_one.max(initial=0) + 1) + next_one.reshape(number.shape)
        number = np.unique(pair, return_inverse=True)[1].reshape(number.shape)
    there: Bool[np.ndarray, "records places"] = filled[:, width - 1 :] >= 0
    there[:, 0] = True
    rows = np.broadcast_to(np.arange(len(filled))[:, None], number.shape)[there]
    columns = number[there]
    shape = len(filled), int(number.max(initial=0)) + 1
    sets = sparse.csr_array((np.ones(len(rows), np.int32), (rows, columns)), shape=shape)
    sets.sum_duplicates()
    sets.data[:] = 1
    return sets


def _rarest(
    sets: sparse.csr_array, sizes: Int[np.ndarray, " records"], least: float
) -> sparse.csr_array:
    """The rarest shingles of each record, enough that two similar ones have one in common."""
    among = np.bincount(sets.indices, minlength=sets.shape[1])
    rank = np.empty(len(among), np.int64)
    rank[np.argsort(among, kind="stable")] = np.arange(len(among))
    rows = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((rank[sets.indices], rows))
    place = np.arange(len(order)) - np.repeat(sets.indptr[:-1], sizes)
    few = sizes - np.ceil(least * sizes - 1e-9).astype(int) + 1
    # What one record alone has is in no pair.
    kept = (place < few[rows]) & (among[sets.indices[order]] > 1)
    ones = np.ones(int(kept.sum()), np.int32)
    return sparse.csr_array((ones, (rows[kept], sets.indices[order][kept])), shape=sets.shape)
