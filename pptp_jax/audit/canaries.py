"""Audit by mislabelled canaries, each of which joins a run by its own fair coin."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from pptp_jax.audit.audit_settings import AuditSettings
from pptp_jax.data import Dataset, absent_rows
from pptp_jax.validation import Refused, at_least


@dataclass(frozen=True, kw_only=True)
class CanaryAudit(AuditSettings):
    """An audit as plain frozen data: recipes, data, model and canaries.

    Some examples get wrong labels. In each run each of these canaries is present or absent by a
    fair coin. An absent canary keeps its place in its batch, but its gradient is zero: this is the
    relation between data sets for which the ε of shuffled batches is claimed, and that of Poisson
    batches holds for it as well; every run has as many steps.

    The other fields are those of `AuditSettings`.

    Attributes:
        canaries: how many examples get wrong labels.
        standardize: whether the model standardises its inputs, as in a `Study`.

    Raises:
        ValueError: if there are too few runs, canaries or recipes, or a recipe does more with its
            members than to take gradients of a loss of outputs and labels.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> audit = CanaryAudit(
        ...     name="mine",
        ...     data=Digits(),
        ...     model=mlp([16], num_classes=10),
        ...     recipes=(undefended(2),),
        ... )
        >>> audit.canaries, audit.runs
        (400, 64)
    """

    canaries: int = 400
    standardize: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, canaries=self.canaries)

    def plant(self) -> "Planted":
        """Reads the data, mislabels the canaries and flips the coins.

        Raises:
            ValueError: if there are too few examples.
        """
        data = self.load()
        needed = self.canaries + self.held_out + 1
        if len(data) < needed:
            raise Refused(
                f"{data.name} has {len(data)} examples; {self.canaries} canaries and "
                f"{self.held_out} held out leave none to train on"
            )
        rng = np.random.default_rng(self.seed)
        order = rng.permutation(len(data))
        canaries, held_out = order[: self.canaries], order[self.canaries : needed - 1]
        if data.num_classes is None:
            raise Refused(f"{data.name} has no classes, and canaries are examples of a wrong class")
        labels = data.y.copy()
        wrong = rng.integers(1, data.num_classes, self.canaries)
        labels[canaries] = (data.y[canaries] + wrong) % data.num_classes
        present = rng.random((self.runs, self.canaries)) < 0.5
        planted = Planted(data, labels, canaries, held_out, np.sort(order[needed - 1 :]), present)
        self.check_recipes(data, planted.places)
        return planted


class Planted(NamedTuple):
    """Data with canaries in them.

    Attributes:
        data: the examples.
        labels: theirs, with wrong ones for the canaries.
        canaries: the rows with wrong labels.
        held_out: the rows that no run trains on.
        others: the rows that every run trains on.
        present: in which run each canary is.
    """

    data: Dataset
    labels: Int[np.ndarray, " examples"]
    canaries: Int[np.ndarray, " canaries"]
    held_out: Int[np.ndarray, " held_out"]
    others: Int[np.ndarray, " others"]
    present: Bool[np.ndarray, "runs canaries"]

    @property
    def places(self) -> int:
        """How many examples a run's batches are dealt from, absent canaries included."""
        return len(self.canaries) + len(self.others)

    def members(self) -> Int[np.ndarray, "runs places"]:
        """Each run's rows: a canary's place is the same, whether it is present or absent."""
        canaries = np.where(self.present, self.canaries, absent_rows(self.canaries))
        others = np.broadcast_to(self.others, (len(self.present), len(self.others)))
        return np.concatenate([canaries, others], axis=1)
