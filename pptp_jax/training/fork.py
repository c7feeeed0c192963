"""Copies of a network that go on with a part of the members each, and are averaged at the end."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Int

from pptp_jax.validation import at_least
from pptp_jax.validation.field_types import check_fields


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Fork:
    """A phase goes on with copies of the network, each on a part of the members of its own.

    Each copy sees a K-th of the members, no two the same; the phase leaves the mean of the copies,
    their batch-norm statistics included. A member then moves one copy in K.

    Ours, after "SWAP", whose copies all see all examples; what the mean of copies on disjoint parts
    does to membership inference we have not seen published.

    Attributes:
        parts: K, how many copies there are.

    References:
        Gupta, Serrano and DeCoste, "Stochastic Weight Averaging in Parallel: Large-Batch Training
        That Generalizes Well", ICLR 2020, https://arxiv.org/abs/2001.02312

    Examples:
        >>> Fork(parts=2).part(members=101)
        50
    """

    parts: int = jax.tree.static(default=2)

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(2, parts=self.parts)

    def part(self, members: int) -> int:
        """How many of so many members a copy trains on; a smaller rest is left out."""
        return members // self.parts

    def rows(self, members: Int[Array, " members"]) -> Int[Array, "parts part"]:
        """The members that each copy trains on: every K-th of them.

        Examples:
            >>> import jax.numpy as jnp
            >>> print(Fork(parts=2).rows(jnp.arange(5)))
            [[0 2]
             [1 3]]
        """
        part = self.part(len(members))
        return members[: part * self.parts].reshape(part, self.parts).T
