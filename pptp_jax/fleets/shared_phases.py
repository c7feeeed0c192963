"""Phases that recipes begin with alike: trained once, in the fleet that comes first.

Two recipes share their first phases where these have the same rules, and everything else that
training depends on is the same: then the networks at the end of those phases are the same, bit for
bit, and the later fleet goes on from those of the earlier one.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from pptp_jax.fleets.spec import FleetSpec
from pptp_jax.training import Branch, Checkpoint, same_training


def shared_phases(one: FleetSpec, other: FleetSpec) -> int:
    """How many phases at the beginning of two fleets are the same training.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import early_stopped, freeze, undefended
        >>> def spec(recipe):
        ...     return FleetSpec(model=MODEL, recipe=recipe, data=DATA, members=MEMBERS)
        >>> MODEL, DATA, MEMBERS = mlp([8], 10), Digits().load(), np.arange(100)[None]
        >>> frozen = spec(freeze("stem", after=2, more=4))
        >>> [shared_phases(frozen, spec(r)) for r in (early_stopped(2), undefended(3))]
        [1, 0]
    """
    if not _same_setting(one, other):
        return 0
    count = 0
    for mine, its in zip(one.recipe.phases, other.recipe.phases, strict=False):
        named = any(True for _ in (*mine.named, *its.named))
        if not same_training(mine, its) or (named and not _same_regions(one, other)):
            break
        count += 1
    return count


def _same_setting(one: FleetSpec, other: FleetSpec) -> bool:
    same = one.data is other.data and one.model is other.model and one.optimizer == other.optimizer
    arrays = (one.members, other.members), (one.reference, other.reference)
    plain = [
        (s.batch_size, s.seed, s.augmentation, s.queries, s.stops, s.recipe.release)
        for s in (one, other)
    ]
    return same and plain[0] == plain[1] and all(np.array_equal(*pair) for pair in arrays)


def _same_regions(one: FleetSpec, other: FleetSpec) -> bool:
    mine, its = (spec.recipe.regions(spec.model) for spec in (one, other))
    return mine is not None and its is not None and mine.to_json() == its.to_json()


class Trunk(NamedTuple):
    """An earlier fleet that begins with the same phases.

    Attributes:
        spec: that fleet, which has left its networks at the end of these phases.
        home: its directory.
        phases: how many are the same.
    """

    spec: FleetSpec
    home: Path
    phases: int

    @property
    def epochs(self) -> int:
        """The epochs of the shared phases."""
        return sum(int(phase.epochs) for phase in self.spec.recipe.phases[: self.phases])

    def load(self, group: Sequence[int]) -> Branch | None:
        """The networks that the fleet has left of a group; None if it has left none."""
        saved = _saved(self.home, self.phases, group)
        if saved.latest() is None:
            return None
        last = self.spec.recipe.phases[self.phases - 1].ensemble
        lead = (len(group),) if last is None else (len(group), last.models)
        one = self.spec.model.shapes(self.spec.arrays.batch_shape())
        many = jax.tree.map(lambda a: jax.ShapeDtypeStruct((*lead, *a.shape), a.dtype), one)
        losses = jax.ShapeDtypeStruct((len(group), self.epochs), np.float32)
        return Branch(self.phases, *saved.restore(self.epochs, (many, losses)))


def leave(home: Path, epochs: int, group: Sequence[int], branch: Branch) -> None:
    """Keeps the networks of a group for later fleets to go on from.

    Args:
        home: the fleet's directory.
        epochs: the epochs behind the networks.
        group: the models.
        branch: their networks at the end of a phase.
    """
    saved = _saved(home, branch.phases, group)
    saved.save(epochs, (branch.variables, branch.losses), now=True)


def drop_branches(homes: Sequence[Path]) -> None:
    """Removes what fleets have left, once no other goes on from it."""
    for home in homes:
        for left in home.glob("branch-*"):
            shutil.rmtree(left, ignore_errors=True)


def _saved(home: Path, phases: int, group: Sequence[int]) -> Checkpoint:
    return Checkpoint(home / f"branch-{phases}" / f"{group[0]}-{group[-1]}", arrays=True)


class Sharing(NamedTuple):
    """What a fleet shares with others of its study.

    Attributes:
        trunks: earlier fleets that begin alike, those that share most first.
        left: after how many phases later fleets go on from this one.
    """

    trunks: tuple[Trunk, ...] = ()
    left: frozenset[int] = frozenset()


def plan_sharing(specs: Sequence[FleetSpec], homes: Sequence[Path]) -> list[Sharing]:
    """What each fleet of a study can take from earlier ones, and must leave to later ones.

    Args:
        specs: the fleets, in the order in which they are trained.
        homes: their directories.
    """
    common = [[shared_phases(one, other) for other in specs] for one in specs]
    found = []
    for i in range(len(specs)):
        trunks = [Trunk(specs[j], homes[j], common[i][j]) for j in range(i) if common[i][j]]
        trunks.sort(key=lambda trunk: -trunk.phases)
        found.append(Sharing(tuple(trunks), frozenset(common[i][i + 1 :]) - {0}))
    return found
