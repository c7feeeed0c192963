"""How a phase starts: regions, weights or the entire network at initial or earlier values."""

from dataclasses import dataclass
from typing import Literal

import jax

from pptp_jax.pytree import pytree
from pptp_jax.training.gradient_rules import Number
from pptp_jax.validation import at_least, fraction, one_of


@pytree
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


@pytree
@dataclass(frozen=True, kw_only=True)
class Restore:
    """A region starts from its values after an earlier epoch of the recipe.

    Its running statistics go back with it: those of the modules, by path, whose parameters all lie
    in the region. Training keeps the network of that epoch until it is needed, and is otherwise the
    same, so recipes that restore share their trunk with those that do not.

    Attributes:
        region: its label.
        after: the number of epochs behind it then, counted from the beginning of the recipe.

    Raises:
        ValueError: if `after` is no integer of at least 1; `Rewind` goes back to the start.

    Examples:
        >>> Restore(region="protect", after=7).after
        7
    """

    region: str = jax.tree.static()
    after: int

    def __post_init__(self) -> None:
        at_least(1, after=self.after)


@pytree
@dataclass(frozen=True, kw_only=True)
class FromScratch:
    """The network starts from its initial values.

    What it had learned before can then be its own teacher: an objective that needs a teacher gets
    the answers of the network, or of the ensemble, that the phase before has left.

    Examples:
        >>> FromScratch()
        FromScratch()
    """


@pytree
@dataclass(frozen=True, kw_only=True)
class RewindWeights:
    """The most vulnerable weights start from their initial values and freeze: CWRF, model by model.

    A weight's vulnerability is |g · w| summed over batches, with g the gradient of
    (1 − λ) · CE(members) + λ · KL(f(x_ref; θ) ‖ f(x_ref; θ_0)); the highest of the entire network
    are chosen. That of a channel is the mean over its weights: see
    `pptp_jax.regions.top_channels`.

    Attributes:
        share: the share r of all weights, or of all channels, that is chosen.
        reference_weight: λ; 0 needs no reference examples.
        batches: over how many batches the vulnerability is summed.
        by: whether a single `weight` is chosen, or an output `channel` of a kernel with its bias
            and its norm.
        region: the label of the region from which they are chosen, and of which `share` is a
            share; None is all of the network.
        rewinding: whether they start from their initial values; False freezes them where they are.

    References:
        The ICLR 2026 paper "CWRF", https://arxiv.org/abs/2603.13186. λ, the number of batches,
        channels, regions and freezing alone are ours.

    Examples:
        >>> RewindWeights(share=0.1).batches
        10
        >>> RewindWeights(share=0.1, by="filter")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: by 'filter' is unknown. Known: 'weight', 'channel'
    """

    share: Number
    reference_weight: Number = 0.5
    batches: int = jax.tree.static(default=10)
    by: Literal["weight", "channel"] = jax.tree.static(default="weight")
    region: str | None = jax.tree.static(default=None)
    rewinding: bool = jax.tree.static(default=True)

    def __post_init__(self) -> None:
        one_of(("weight", "channel"), by=self.by)
        fraction(share=self.share, reference_weight=self.reference_weight)
        at_least(1, batches=self.batches)

    @property
    def words(self) -> str:
        """The share, and settings other than the defaults, for the name of a recipe.

        Examples:
            >>> RewindWeights(share=0.1).words
            '0.1'
            >>> RewindWeights(share=0.1, by="channel", rewinding=False).words
            '0.1 channels frozen'
        """
        unusual = {"channels": self.by == "channel", "frozen": not self.rewinding}
        return " ".join([f"{float(self.share):g}", *(word for word, own in unusual.items() if own)])


Beginning = Rewind | Restore | FromScratch | RewindWeights
