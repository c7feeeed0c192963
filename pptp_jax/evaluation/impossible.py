"""Why attacks are not possible: a note for each, or a line for each reason."""

import re
from collections.abc import Sequence

from pptp_jax.attacks import Attack, Evidence
from pptp_jax.attacks.signal_derivation import follows
from pptp_jax.attacks.signal_registry import PARTS

# How many names a line has.
_NAMED = 4
_NOT_GIVEN = re.compile(r"it reads (.*), which (?:was|were) not given")


def reason_of_missing(attack: Attack, evidence: Evidence) -> str | None:
    """What an attack needs that is not there; None if all of it is.

    Args:
        attack: the attack.
        evidence: what the attacker holds.
    """
    missing = [part for part in attack.reads if not evidence.has(part)]
    if not missing:
        alone = len(evidence.membership) == 1 and evidence.target_among_shadows.tolist() == [0]
        needed = max(attack.min_shadows, attack.min_in_shadows, attack.min_out_shadows)
        words = "it needs shadows, other models that were trained alike, and there is one model"
        return words if alone and needed else None
    declared, arrays = evidence.declared, evidence.target
    labelled = (
        part == "labels" or (part not in PARTS and follows(part, declared, arrays, labelled=True))
        for part in missing
    )
    if evidence.labels is None and all(labelled):
        return f"it needs the labels: labels=, integers of shape ({evidence.membership.shape[1]},)"
    names = " and ".join(part if isinstance(part, str) else part.name for part in missing)
    return f"it reads {names}, which {'were' if len(missing) > 1 else 'was'} not given"


def by_reason(notes: Sequence[str]) -> list[str]:
    """The notes with one line a reason; one line for all that read what was not given.

    Args:
        notes: of an attack each, as `name: reason`.

    Examples:
        >>> for line in by_reason(
        ...     (
        ...         "secmi: it reads secmi_error, which was not given",
        ...         "lira_online: train more models",
        ...         "pia: it reads pia_error, which was not given",
        ...         "bavaria_t: train more models",
        ...     )
        ... ):
        ...     print(line)
        2 attacks (secmi, pia) read what was not given: secmi_error, pia_error
        2 attacks (lira_online, bavaria_t): train more models
    """
    attacks: dict[str, list[str]] = {}
    unread: list[str] = []
    for note in notes:
        name, _, reason = note.partition(": ")
        found = _NOT_GIVEN.fullmatch(reason)
        unread += found[1].split(" and ") if found else []
        attacks.setdefault("" if found else reason, []).append(name)
    lines = []
    for reason, names in attacks.items():
        if len(names) == 1:
            lines += [note for note in notes if note.startswith(f"{names[0]}: ")]
        elif reason:
            lines.append(f"{_listed(names)}: {reason}")
        else:
            lines.append(f"{_listed(names)} read what was not given: {_first(unread)}")
    return lines


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)} attacks ({_first(names)})"


def _first(names: Sequence[str]) -> str:
    different = list(dict.fromkeys(names))
    return ", ".join(different[:_NAMED]) + (", ..." if len(different) > _NAMED else "")
