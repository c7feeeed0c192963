"""Checks of members and non-members without the model: blind baseline and shared records."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pptp_jax.audit.user_signals import Given
from pptp_jax.data import BlindBaseline, blind_baseline, shared_records
from pptp_jax.validation import Refused

# Each takes seconds; where memberships are drawn by chance, more of them say nothing new.
_TARGETS = 4


def blind_report(given: Given, *, seed: int = 0) -> Mapping[str, Any] | None:
    """The blind baseline of the first targets, and copies across their members and non-members.

    Args:
        given: what the user hands over; inputs are token numbers where there are signals of tokens.
        seed: what the folds depend on.

    Returns:
        Plain data with `words` for a person, whether anything was `found`, the `targets` that were
        judged, and the copied `records`; None without inputs and labels.

    Examples:
        >>> from pptp_jax.audit.user_signals import given_signals
        >>> rng = np.random.default_rng(0)
        >>> membership, losses = np.arange(80) % 2 == 0, rng.exponential(size=80)
        >>> given = given_signals({"losses": losses}, membership, 1 * membership)
        >>> found = blind_report(given)
        >>> found["found"], found["reads"], found["records"]
        (True, ['labels'], None)
    """
    x, y = given.inputs, given.labels
    if x is None and y is None:
        return None
    tokens = x is not None and _are_tokens(given, x)
    chosen = given.targets[:_TARGETS].tolist()
    report: dict[str, Any] = {
        "reads": [name for name, part in (("inputs", x), ("labels", y)) if part is not None],
        "found": False,
        "targets": [],
        "records": None,
    }
    if x is not None:
        copies = shared_records(x, given.membership[chosen[0]], tokens=tokens)
        report["records"] = {**copies._asdict(), "words": copies.in_words()}
    try:
        judged = {
            target: blind_baseline(x, y, given.membership[target], tokens=tokens, seed=seed)
            for target in chosen
        }
    except Refused as error:  # so few that no classifier learns anything
        return report | {"words": f"no blind baseline was made: {error}"}
    report["targets"] = [
        {
            "target": target,
            "members": int(given.membership[target].sum()),
            "nonmembers": int((~given.membership[target]).sum()),
            "auc": one.auc._asdict(),
            "p_value": one.p_value,
            "found": one.found(len(judged)),
        }
        for target, one in judged.items()
    ]
    return report | {
        "found": any(one["found"] for one in report["targets"]),
        "words": _words(judged, len(given.targets)),
    }


def _are_tokens(given: Given, x: np.ndarray) -> bool:
    return "token_log_prob" in given.signals and x.ndim == 2 and x.dtype.kind in "iu"


def _words(judged: Mapping[int, BlindBaseline], targets: int) -> str:
    """On the target with the largest difference, and which it is if there are several."""
    target = min(judged, key=lambda target: judged[target].p_value)
    words = judged[target].in_words(len(judged))
    if targets == 1:
        return words
    tested = "All" if targets == len(judged) else f"{len(judged)} of"
    return (
        f"{words}. {tested} {targets} targets were tested; the AUC is that of target {target}, "
        "which has the smallest p-value"
    )
