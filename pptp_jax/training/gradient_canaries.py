"""Gradient canaries: rows with a known gradient, and their trace in a step."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from pptp_jax.data import absent_rows
from pptp_jax.pytree import pytree

# The gradient of a canary before it is clipped, in clipping norms: long enough for any weights.
_LONG = 1e6


@pytree
@dataclass(frozen=True, kw_only=True)
class GradientCanaries:
    """Rows of the data whose gradient is one coordinate alone, whatever the network.

    The loss of such a row is linear in one weight. Its gradient is clipped, summed and noised with
    those of the examples, by the same code.

    Attributes:
        coordinates: the weight of each canary, by its place among all parameters.
        max_norm: the norm that the phase clips to.
        first: the row of the first canary; the others follow it.
        known_order: whether the attacker knows in which step a row's place is. If so, a step shows
            of a canary what it does to its weight, less half of what a present one would do, and
            other steps show nothing; else each step shows what it does to the weight.
    """

    coordinates: Int[Array, " canaries"]
    max_norm: float | Float[Array, ""] = 1.0
    first: int = jax.tree.static(default=0)
    known_order: bool = jax.tree.static(default=True)

    def loss(
        self, params: Any, row: Int[Array, ""], otherwise: Float[Array, ""]
    ) -> Float[Array, ""]:
        """The loss of an example: linear in one weight if it is a canary.

        Args:
            params: the parameters.
            row: where the example stands in the data.
            otherwise: its loss if it is no canary.
        """
        number = jnp.clip(row - self.first, 0, len(self.coordinates) - 1)
        weights, _ = ravel_pytree(params)
        linear = _LONG * self.max_norm * weights[self.coordinates[number]]
        return jnp.where(self._is_canary(row), linear, otherwise)

    def seen(
        self, mean: Any, rows: Int[Array, " batch"], expected: float
    ) -> Float[Array, " canaries"]:
        """The trace of each canary in a step, in clipping norms.

        Args:
            mean: the step's noisy mean gradient.
            rows: the rows of its batch, absent ones included.
            expected: what the sum was divided by.
        """
        weights, _ = ravel_pytree(mean)
        shown = weights[self.coordinates] * (expected / self.max_norm)
        if not self.known_order:
            return shown
        there = jnp.where(rows >= 0, rows, absent_rows(rows)) - self.first
        inside = self._is_canary(there + self.first)
        count = len(self.coordinates)
        # Rows that are no canaries fall out of the array.
        due = jnp.zeros(count).at[jnp.where(inside, there, count)].set(1.0, mode="drop")
        return due * (shown - 0.5)

    def _is_canary(self, row: Int[Array, "..."]) -> Any:
        return (row >= self.first) & (row < self.first + len(self.coordinates))


class CanariesSeenState(NamedTuple):
    """The sum of each canary's traces over all steps so far."""

    canaries_seen: Float[Array, " canaries"]


def see_canaries(
    canaries: GradientCanaries, expected: float
) -> optax.GradientTransformationExtraArgs:
    """Sums the canaries' traces in noisy mean gradients, which pass unchanged.

    Args:
        canaries: the canaries.
        expected: what the sums were divided by.

    Returns:
        A transform whose `update(updates, state, params=None, *, rows)` needs the batch's rows.
    """

    def init(params: Any) -> CanariesSeenState:
        del params
        return CanariesSeenState(jnp.zeros(len(canaries.coordinates)))

    def update(
        updates: Any,
        state: CanariesSeenState,
        params: Any = None,
        *,
        rows: Int[Array, " batch"],
        **extra: Any,
    ) -> tuple[Any, CanariesSeenState]:
        del params, extra
        shown = canaries.seen(updates, rows, expected)
        return updates, CanariesSeenState(state.canaries_seen + shown)

    return optax.GradientTransformationExtraArgs(init, update)
