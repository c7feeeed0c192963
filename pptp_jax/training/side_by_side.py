"""Networks that a phase trains side by side for one model: an ensemble, or copies."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Int

from pptp_jax.pytree import pytree
from pptp_jax.validation import Refused, at_least
from pptp_jax.validation.field_types import check_fields


@pytree
@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Sub-models that each train on a part of the members: SELENA's teachers.

    Attributes:
        models: K, how many sub-models there are.
        left_out: L, how many of them never see a given member, and answer for it.

    References:
        Tang et al., "Mitigating Membership Inference Attacks by Self-Distillation Through a Novel
        Ensemble Architecture", USENIX Security 2022, https://arxiv.org/abs/2110.08324

    Examples:
        >>> Ensemble(models=25, left_out=10).left_out
        10
    """

    models: int = jax.tree.static(default=25)
    left_out: int = jax.tree.static(default=10)

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(2, models=self.models)
        at_least(1, left_out=self.left_out)
        if self.left_out >= self.models:
            raise Refused(
                f"each member must be seen by some of the {self.models} sub-models, so left_out "
                f"must be below that; got {self.left_out}"
            )

    def part(self, members: int) -> int:
        """The number of members that a sub-model trains on, of `members`."""
        return members // self.models * (self.models - self.left_out)


@pytree
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
        """The number of members that a copy trains on; a smaller rest is left out."""
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
