"""Membership by owner: all records of an owner are in a model's training, or none."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Shaped

from pptp_jax.data.membership import Balanced, Membership, Pairs, Quarters
from pptp_jax.validation import Refused, at_least, given
from pptp_jax.validation.field_types import check_fields


@dataclass(frozen=True)
class ByOwner:
    """A split that draws owners: all records of an owner are in a model's training, or none.

    It needs data that say whose each record is (`Dataset.owners`). How the owners are drawn says
    `draw_by_owner`.

    Attributes:
        split: the split of the owners.
        most: how many records of each owner take part at most; None takes all.

    Examples:
        >>> by_owner = ByOwner(Balanced(models=2))
        >>> by_owner.draw(np.array([7, 7, 2, 2]), seed=0).matrix.sum(axis=1)
        array([2, 2])
    """

    split: Balanced | Pairs | Quarters
    most: int | None = None
    multiple: ClassVar[int] = 1  # of records; it is owners that come out even

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(1, **given(most=self.most))

    @property
    def models(self) -> int:
        """How many models there are."""
        return self.split.models

    def draw(self, owners: Shaped[np.ndarray, " examples"], seed: int) -> Membership:
        """Draws the membership; the same for the same seed.

        Args:
            owners: whose each record is.
            seed: what the draw depends on.

        Raises:
            Refused: as `draw_by_owner` does.
        """
        return draw_by_owner(self.split, owners, most=self.most, seed=seed)


def draw_by_owner(
    split: Balanced | Pairs | Quarters,
    owners: Shaped[np.ndarray, " examples"],
    *,
    most: int | None = None,
    seed: int = 0,
) -> Membership:
    """Draws which owners train which model; targets and shadows are drawn alike.

    The split is drawn apart for the owners of one record, of two, and so on. So every model trains
    on the same number of records, as a fleet needs it, and the number of an owner's records says
    nothing of membership. Where a split does not divide the owners of a size, those beyond, drawn
    at random, take no part: no model trains on them, and they are not among `evaluated`.

    Args:
        split: the split, which counts owners in place of examples.
        owners: whose each record is, numbers or texts.
        most: how many records of each owner take part at most, drawn at random; None takes all.
            Where few owners have the same number of records, a small number keeps more owners.
        seed: what the draw depends on.

    Returns:
        The membership of records. Scores have a column for each of `evaluated`, whose owners are
        `owners[membership.evaluated]`.

    Raises:
        Refused: if no size has as many owners as the split needs, or the owners are no list.

    Examples:
        >>> owners = np.array(["a", "a", "b", "b", "c", "c", "d"])
        >>> drawn = draw_by_owner(Balanced(models=2), owners)
        >>> drawn.matrix.sum(axis=1), len(drawn.evaluated)
        (array([2, 2]), 4)
        >>> draw_by_owner(Balanced(models=2), owners, most=1).matrix.sum(axis=1)
        array([2, 2])
    """
    at_least(0, seed=seed)
    at_least(1, **given(most=most))
    if owners.ndim != 1:
        raise Refused(f"owners must have shape (examples,), one a record, got {owners.shape}")
    rng = np.random.default_rng(seed)
    _, inverse, sizes = np.unique(owners, return_inverse=True, return_counts=True)
    records = np.split(np.argsort(inverse, kind="stable"), sizes.cumsum()[:-1])
    if most is not None:
        records = [own if len(own) <= most else rng.permutation(own)[:most] for own in records]
    sizes = np.array([len(own) for own in records])
    matrix = np.zeros((split.models, len(owners)), bool)
    who: Membership | None = None
    evaluated = []
    for size in np.unique(sizes).tolist():
        alike = rng.permutation(np.flatnonzero(sizes == size))
        kept = alike[: len(alike) // split.multiple * split.multiple]
        # Drawn even where no owner is left, so that it does not depend on owners of other sizes.
        own_seed = int(rng.integers(2**63))
        if not len(kept):
            continue
        drawn = who = split.draw(len(kept), own_seed)
        places = np.stack([records[owner] for owner in kept])
        matrix[:, places] = drawn.matrix[:, :, None]
        evaluated.append(places[drawn.evaluated].ravel())
    if who is None:
        raise Refused(
            f"this split needs at least {split.multiple} owners with the same number of records, "
            f"and none of the {len(sizes)} owners has that many of its size: take at most "
            "that many of each, with most=1 say"
        )
    rows = np.sort(np.concatenate(evaluated))
    return Membership(matrix, who.targets, who.shadows, rows)
