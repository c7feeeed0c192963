"""How a phase starts: regions, weights or all of the network at initial or earlier values."""

from dataclasses import dataclass

import jax

from pptp_jax.training.gradient_rules import Number
from pptp_jax.validation import at_least, fraction


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rewind:
    """A region starts from its initial values.

    Attributes:
        region: its label.

    Examples:
        >>> Rewind("protect").region
        'protect'
    """

    region: str = jax.tree.static()


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Restore:
    """A region starts from what it was after an earlier epoch of the recipe.

    Its running statistics go back with it: those of the modules, by path, whose parameters all lie
    in the region. Training keeps the network of that epoch until it is needed, and is otherwise the
    same, so recipes that restore share their trunk with those that do not.

    Attributes:
        region: its label.
        after: the number of epochs behind it then, counted from the beginning of the recipe.

    Raises:
        ValueError: if `after` is no whole number of at least 1; `Rewind` goes back to the start.

    Examples:
        >>> Restore(region="protect", after=7).after
        7
    """

    region: str = jax.tree.static()
    after: int

    def __post_init__(self) -> None:
        at_least(1, after=self.after)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class FromScratch:
    """The network starts from its initial values.

    What it had learned before can then be its own teacher: an objective that needs a teacher gets
    the answers of the network, or of the ensemble, that the phase before has left.

    Examples:
        >>> FromScratch()
        FromScratch()
    """


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class RewindWeights:
    """The most vulnerable weights start from their initial values and freeze: CWRF, model by model.

    A weight's vulnerability is |g · w| summed over batches, with g the gradient of
    (1 − λ) · CE(members) + λ · KL(f(x_ref; θ) ‖ f(x_ref; θ_0)); the highest of the whole network
    are chosen.

    Attributes:
        share: the share r of all weights that is chosen.
        reference_weight: λ; 0 needs no reference examples.
        batches: over how many batches the vulnerability is summed.

    References:
        The ICLR 2026 paper "CWRF", https://arxiv.org/abs/2603.13186. λ and the number of batches
        are ours.

    Examples:
        >>> RewindWeights(share=0.1).batches
        10
    """

    share: Number
    reference_weight: Number = 0.5
    batches: int = jax.tree.static(default=10)

    def __post_init__(self) -> None:
        fraction(share=self.share, reference_weight=self.reference_weight)
        at_least(1, batches=self.batches)


Beginning = Rewind | Restore | FromScratch | RewindWeights
