"""Attack a fleet by its signals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pptp_jax.attacks import Attack, Evidence, attack_of
from pptp_jax.attacks.signal_registry import KNOWN, axes_of, sources
from pptp_jax.data import Dataset, Membership
from pptp_jax.fleets import FleetSignals
from pptp_jax.tasks import Signal
from pptp_jax.validation import AttackUnavailable


class Attacked(NamedTuple):
    """The scores of the attacks on the targets that did not diverge.

    Attributes:
        targets: which models these are.
        membership: who is a member of which of them.
        utility: how good each target's answer is on each example.
        scores: what each attack makes of them.
        notes: why an attack has no scores.
    """

    targets: Int[np.ndarray, " targets"]
    membership: Bool[np.ndarray, "targets examples"]
    utility: Shaped[np.ndarray, "targets examples"]
    scores: dict[str, Float[np.ndarray, "targets examples"]]
    notes: list[str]


def attacked(
    fleet: FleetSignals,
    membership: Membership,
    attacks: Sequence[str | Attack],
    data: Dataset | None = None,
    declared: Sequence[Signal] = (),
) -> Attacked:
    """Attacks a fleet. Models that diverged neither stand as targets nor help as shadows.

    Args:
        fleet: what is left of it.
        membership: who is a member of what, and which examples are attacked. Attacks that learn
            from shadows also learn from the other examples that some model trained on; those that
            learn from non-members, from all that are not attacked and that no target trained on.
        attacks: the attacks, or their names; none is made where every target diverged.
        data: the examples, for attacks that need labels or inputs.
        declared: the signals of the task, which say what its signals follow from.
    """
    targets = np.array([i for i in membership.targets if fleet.finite[i]], int)
    learned = np.union1d(np.flatnonzero(membership.matrix.any(axis=0)), membership.evaluated)
    # The attacker may know the non-members of all targets, but not among the attacked examples.
    nonmembers = np.logical_not(membership.matrix[list(membership.targets)].any(axis=0))
    nonmembers[membership.evaluated] = False
    scores, notes = {}, []
    for attack in map(attack_of, attacks if len(targets) else ()):
        apart = "nonmembers" in attack.reads and nonmembers.any()
        columns = np.union1d(learned, np.flatnonzero(nonmembers)) if apart else learned
        known = (*declared, *attack.declared)
        try:
            evidence = Evidence.split(
                _signals(fleet, attack, columns, known),
                membership.matrix[:, columns],
                targets.tolist(),
                [i for i in membership.shadows if fleet.finite[i]],
                declared=known,
                labels=None if data is None or data.labels is None else data.labels[columns],
                inputs=None if data is None else data.x[columns],
                nonmembers=nonmembers[columns] if apart else None,
                examples=np.searchsorted(columns, membership.evaluated),
            )
            scores[attack.name] = attack(evidence)
        except AttackUnavailable as error:
            notes.append(f"{attack.name}: {error}")
    seen = np.ix_(targets, membership.evaluated)
    return Attacked(targets, membership.matrix[seen], fleet.utility[seen], scores, notes)


def _signals(
    fleet: FleetSignals,
    attack: Attack,
    columns: Int[np.ndarray, " columns"],
    declared: Sequence[Signal],
) -> dict[str, Shaped[np.ndarray, "models ..."]]:
    """The signals that an attack reads, as far as they are kept, on some of the examples."""
    reads = sources(attack.reads, declared, list(fleet))
    if attack.options:  # with which it may read others than by default
        reads |= {*KNOWN, *(one.name for one in declared)} & set(fleet)
    return {
        name: fleet[name].take(columns, axes_of(name, declared).index("examples"))
        for name in sorted(reads)
    }
