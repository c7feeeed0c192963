"""Range membership: score a record by a trimmed mean over its variants."""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Real

from pptp_jax.attacks.attack import Attack
from pptp_jax.attacks.attack_of import attack_of
from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.signal_registry import axes_of
from pptp_jax.validation import AttackUnavailable, Refused, fraction


def trimmed_mean(
    scores: Real[np.ndarray, "targets queries examples"],
    *,
    lowest: float = 0.25,
    highest: float = 0.25,
) -> Float[np.ndarray, "targets examples"]:
    """The mean over a record's variants without the lowest and the highest scores.

    Args:
        scores: the score of each form of each record against each target.
        lowest: the share of the forms whose scores are left out at the low end, rounded down.
        highest: likewise at the high end.

    Raises:
        Refused: if the shares are none, or together leave nothing.

    Examples:
        >>> scores = np.array([1.0, 2.0, 4.0, 90.0]).reshape(1, 4, 1)
        >>> print(trimmed_mean(scores), trimmed_mean(scores, lowest=0.5, highest=0.0))
        [[3.]] [[47.]]
    """
    fraction(lowest=lowest, highest=highest)
    if lowest + highest >= 1:
        raise Refused(
            "lowest and highest must leave some forms: together they must be below 1, got "
            f"{lowest:g} and {highest:g}"
        )
    forms = scores.shape[1]
    # A share such as 3/10 of 10 may come out a rounding below 3.
    first, last = (int(share * forms + 1e-9) for share in (lowest, highest))
    rising = np.sort(scores.astype(np.float64), axis=1)
    return rising[:, first : forms - last].mean(axis=1)


def range_attack(attack: str | Attack, *, lowest: float = 0.25, highest: float = 0.25) -> Attack:
    """An attack on the variants of a record, one query each, joined by a trimmed mean.

    The attack looks for a record in any of its forms: a photo that was mirrored before training,
    say. Each form is attacked by itself, against the shadows' answers to the same form, so that
    unlikely forms cannot spoil the others.

    Args:
        attack: what each form is attacked by, such as `rmia_online` or `base_online`.
        lowest: the share of the forms that is left out at the low end.
        highest: likewise at the high end.

    Returns:
        An attack with `_range` in its name; `using` takes `lowest`, `highest` and its options.

    Raises:
        Refused: if the attack is unknown, or nothing would be left.

    References:
        The question, and a trimmed mean over points of a range, are from range membership inference
        attacks (RaMIA, Tao and Shokri), in Privacy Meter. The shares left out are our own choice.

    Examples:
        >>> from pptp_jax.attacks import ATTACKS, Evidence
        >>> membership = np.array([[True, False]])
        >>> phi = np.array([[[3.0, 1.0], [2.0, 0.0], [4.0, 1.0], [-90.0, 2.0]]])
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership)
        >>> loss = range_attack("loss")
        >>> loss.name, loss(held).tolist()
        ('loss_range(lowest=0.25, highest=0.25)', [[2.5, 1.0]])
    """
    own = attack_of(attack)
    trimmed_mean(np.zeros((1, 1, 1)), lowest=lowest, highest=highest)  # refuses what leaves nothing
    base, title = own.name.partition("(")[0], own.title.partition(" (")[0]
    deviations = ("the shares left out of the mean are ours", own.deviations)

    def on_each_form(
        evidence: Evidence,
        *,
        lowest: float = lowest,
        highest: float = highest,
        **options: Any,
    ) -> Float[np.ndarray, "targets attacked"]:
        forms = [own(_only(evidence, query), **options) for query in range(_queries(evidence))]
        return trimmed_mean(np.stack(forms, axis=1), lowest=lowest, highest=highest)

    return replace(
        own,
        name=f"{base}_range",
        title=f"{title} over a range",
        source=f"Tao and Shokri (RaMIA), over {own.source}",
        deviations="; ".join(filter(None, deviations)),
        options={},
        function=on_each_form,
    ).using(**own.options, lowest=lowest, highest=highest)


def _queries(evidence: Evidence) -> int:
    """How many forms of each record there are answers to."""
    counts = {
        array.shape[axes.index("queries")]
        for name, array in evidence.target.items()
        if "queries" in (axes := axes_of(name, evidence.declared))
    } - {1}
    if not counts:
        raise AttackUnavailable(
            "range membership needs answers to at least 2 forms of every record: ask for more "
            "queries"
        )
    if len(counts) > 1:
        raise AttackUnavailable(
            f"range membership needs as many forms in every signal, got {sorted(counts)}"
        )
    return counts.pop()


def _only(evidence: Evidence, query: int) -> Evidence:
    """The same evidence with the answers to one form; a signal that has one form keeps it."""

    def taken(name: str, array: np.ndarray | Array) -> np.ndarray:
        axes = axes_of(name, evidence.declared)
        if "queries" not in axes or array.shape[axes.index("queries")] == 1:
            return np.asarray(array)
        return np.take(array, [query], axis=axes.index("queries"))

    return replace(
        evidence,
        target={name: taken(name, array) for name, array in evidence.target.items()},
        shadows={name: taken(name, array) for name, array in evidence.shadows.items()},
    )
