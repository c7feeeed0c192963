"""Averages of a network over its steps, in place of the last one."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from pptp_jax.models import Variables
from pptp_jax.pytree import pytree
from pptp_jax.regions import RegionMap
from pptp_jax.training.gradient_rules import Number
from pptp_jax.validation import fraction, given, several


@pytree
@dataclass(frozen=True, kw_only=True)
class Average:
    """A phase leaves an average of its networks, one a step, in place of the last one.

    Training itself does not see the average. Running statistics of batch norm are averaged like the
    weights, those of all blocks.

    Attributes:
        decay: the share of the average that a step keeps, an exponential moving average (EMA) that
            begins with the network at the start of the phase; None weights all steps of the phase
            alike (SWA, stochastic weight averaging).
        regions: the regions whose weights are averaged; none are all of the network.

    References:
        Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI
        2018, https://arxiv.org/abs/1803.05407. There the average takes one network a cycle or
        an epoch, and batch norm measures its statistics again at the end.

    Examples:
        >>> Average(decay=0.995).regions
        ()
    """

    decay: Number | None = None
    regions: tuple[str, ...] = jax.tree.static(default=())

    def __post_init__(self) -> None:
        fraction(**given(decay=self.decay))
        several(regions=self.regions)


class Averaged(NamedTuple):
    """The average on its way.

    Attributes:
        steps: how many networks are in it, besides the first.
        variables: what it is so far.
    """

    steps: Int[Array, ""]
    variables: Variables

    @classmethod
    def of(cls, variables: Variables) -> "Averaged":
        """The average as a phase begins: the network itself."""
        return cls(jnp.int32(0), variables)

    def after(self, rule: Average, now: Variables, regions: RegionMap | None) -> "Averaged":
        """The average with the network after another step.

        Args:
            rule: how it is weighted, and which weights it takes.
            now: that network.
            regions: the recipe's regions.
        """
        steps = self.steps + 1
        kept = 1 - 1 / steps if rule.decay is None else jnp.asarray(rule.decay)

        def mixed(old: Any, new: Any) -> Any:
            if not jnp.issubdtype(new.dtype, jnp.inexact):
                return new
            return old + (1 - kept).astype(new.dtype) * (new - old)

        found = jax.tree.map(mixed, self.variables, now)
        if rule.regions:
            assert regions is not None  # a recipe that names regions has them
            taken = regions.mask(now.params, *rule.regions)
            params = jax.tree.map(
                lambda chosen, own, new: own if chosen else new, taken, found.params, now.params
            )
            found = found._replace(params=params)
        return Averaged(steps, found)
