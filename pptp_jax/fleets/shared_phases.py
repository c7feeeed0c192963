"""First phases that several recipes share: trained once, by the first fleet.

Two recipes share their first phases where these have the same rules, and everything else that
training depends on is the same: then the networks at the end of those phases are the same, bit for
bit, and the later fleet goes on from those of the earlier one. Of phases at a constant learning
rate, the shorter one is the beginning of the longer one: so an early stop with an anneal of its own
is a branch of a longer trunk, if that is trained first.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import optax
from jaxtyping import Array

from pptp_jax.fleets.spec import FleetSpec
from pptp_jax.models import Variables
from pptp_jax.training import Branch, Checkpoint, Phase, Scheduled, same_training


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


def branching(trunk: FleetSpec, branch: FleetSpec) -> tuple[int, int]:
    """How many phases and epochs of `branch` are the same training in `trunk`.

    Besides equal phases that is one at a constant learning rate that `trunk` trains for longer.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import annealed
        >>> def spec(recipe):
        ...     return FleetSpec(model=MODEL, recipe=recipe, data=DATA, members=MEMBERS)
        >>> MODEL, DATA, MEMBERS = mlp([8], 10), Digits().load(), np.arange(100)[None]
        >>> long, short = spec(annealed(8, anneal=3)), spec(annealed(5, anneal=3))
        >>> branching(long, short), branching(short, long)
        ((1, 5), (0, 0))
    """
    count = shared_phases(trunk, branch)
    epochs = sum(int(phase.epochs) for phase in branch.recipe.phases[:count])
    ours, theirs = (spec.recipe.phases[count : count + 1] for spec in (trunk, branch))
    if not (ours and theirs and _same_setting(trunk, branch)):
        return count, epochs
    [long], [short] = ours, theirs
    same = same_training(replace(long, epochs=short.epochs), short)
    if any(True for _ in long.named):
        same = same and _same_regions(trunk, branch)
    if same and int(short.epochs) < int(long.epochs) and _ignores_its_length(trunk, long):
        return count + 1, epochs + int(short.epochs)
    return count, epochs


def _ignores_its_length(spec: FleetSpec, phase: Phase) -> bool:
    """Whether the first epochs of a phase do not depend on its length."""
    if phase.ensemble is not None:
        return False
    if isinstance(spec.optimizer, Scheduled):
        return (phase.schedule or spec.optimizer.schedule) == "constant"
    return isinstance(spec.optimizer, optax.GradientTransformation)


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
        spec: that fleet, which has left its networks behind these epochs.
        home: its directory.
        phases: how many phases of the later fleet are the same; that fleet may train the last of
            them for longer.
        epochs: the epochs of these phases.
        kept: earlier epochs that the later fleet takes a region back to.
    """

    spec: FleetSpec
    home: Path
    phases: int
    epochs: int
    kept: tuple[int, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Whether it trains the last shared phase for longer."""
        own = self.spec.recipe.phases[: self.phases]
        return sum(int(phase.epochs) for phase in own) > self.epochs

    def load(self, group: Sequence[int]) -> Branch | None:
        """The networks of a group that the fleet has saved; None if there are none."""
        if any(_saved(self.home, e, group).latest() is None for e in (self.epochs, *self.kept)):
            return None
        last = self.spec.recipe.phases[self.phases - 1].ensemble
        lead = (len(group),) if last is None else (len(group), last.models)
        one = self.spec.model.shapes(self.spec.arrays.batch_shape())
        many = jax.tree.map(lambda a: jax.ShapeDtypeStruct((*lead, *a.shape), a.dtype), one)

        def left(epochs: int) -> tuple[Variables, Array]:
            losses = jax.ShapeDtypeStruct((len(group), epochs), np.float32)
            found: tuple[Variables, Array] = _saved(self.home, epochs, group).restore(
                epochs, (many, losses)
            )
            return found

        kept = tuple(left(epochs)[0] for epochs in self.kept)
        return Branch(self.phases, *left(self.epochs), kept)


def leave(home: Path, epochs: int, group: Sequence[int], branch: Branch) -> None:
    """Saves the networks of a group, for later fleets to continue from.

    Args:
        home: the fleet's directory.
        epochs: the epochs behind the networks.
        group: the models.
        branch: their networks.
    """
    saved = _saved(home, epochs, group)
    saved.save(epochs, (branch.variables, branch.losses), now=True)


def drop_branches(homes: Sequence[Path]) -> None:
    """Removes saved networks that no later fleet needs."""
    for home in homes:
        for left in home.glob("branch-*"):
            shutil.rmtree(left, ignore_errors=True)


def _saved(home: Path, epochs: int, group: Sequence[int]) -> Checkpoint:
    return Checkpoint(home / f"branch-{epochs}" / f"{group[0]}-{group[-1]}", arrays=True)


class Sharing(NamedTuple):
    """The phases that a fleet shares with others of its study.

    Attributes:
        trunks: earlier fleets that begin alike, those that share most first.
        left: after how many epochs later fleets go on from this one.
    """

    trunks: tuple[Trunk, ...] = ()
    left: frozenset[int] = frozenset()


def plan_sharing(specs: Sequence[FleetSpec], homes: Sequence[Path]) -> list[Sharing]:
    """Plans which networks each fleet of a study reads from earlier ones and saves for later ones.

    Args:
        specs: the fleets, in the order in which they are trained.
        homes: their directories.
    """
    found, left = [], [set[int]() for _ in specs]
    for i, spec in enumerate(specs):
        trunks = []
        for j in range(i):
            phases, epochs = branching(specs[j], spec)
            if phases:
                kept = spec.recipe.kept(epochs)
                trunks.append(Trunk(specs[j], homes[j], phases, epochs, kept))
                left[j] |= {epochs, *kept}
        found.append(sorted(trunks, key=lambda trunk: -trunk.epochs))
    pairs = zip(found, left, strict=True)
    return [Sharing(tuple(trunks), frozenset(own)) for trunks, own in pairs]
