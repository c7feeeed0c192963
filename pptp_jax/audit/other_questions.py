"""Dataset inference and label inference within an audit, besides membership inference."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.audit.label_inference import label_inference
from pptp_jax.audit.user_signals import Given
from pptp_jax.evaluation import AttackResults
from pptp_jax.metrics import used_share
from pptp_jax.validation import Refused

# Of more targets the first are counted: each has resamples of its own.
COUNTED = 4


def other_questions(
    given: Given,
    scores: Mapping[str, Float[np.ndarray, "targets examples"]],
    truth: Bool[np.ndarray, "targets examples"],
    compared: str,
    on_shadows: AttackResults | None = None,
    *,
    resamples: int,
    seed: int,
) -> tuple[dict[str, Any], list[str]]:
    """The share of the data that each target used, and whether it tells labels of its members.

    Args:
        given: what was handed over.
        scores: those of each attack.
        truth: who is a member of which target.
        compared: the attack whose guesses are counted.
        on_shadows: the same attacks on the shadows of a single target; None takes, for each target,
            the other targets that are shadows.
        resamples: the number of bootstrap resamples.
        seed: what the bootstrap depends on.

    Returns:
        `used_share` and `label_inference`, each None where it is not possible, and for each of
        these a sentence that says why.
    """
    draws: dict[str, Any] = {"resamples": resamples, "seed": seed}
    found: dict[str, Any] = {"used_share": None, "label_inference": None}
    notes = []
    try:
        found["used_share"] = _used_shares(
            given, scores[compared], truth, compared, on_shadows, draws
        )
    except Refused as refusal:
        notes.append(f"used share: {refusal}")
    if "logits" in given.signals:
        try:
            found["label_inference"] = label_inference(
                given.signals["logits"][:, 0],
                given.labels,  # type: ignore[arg-type] # logits come with labels
                given.membership,
                targets=given.targets.tolist(),
                shadows=given.shadows.tolist(),
                **draws,
            ).to_json()
        except Refused as refusal:
            notes.append(f"label inference: {refusal}")
    return found, notes


def _used_shares(
    given: Given,
    scores: Float[np.ndarray, "targets examples"],
    truth: Bool[np.ndarray, "targets examples"],
    compared: str,
    on_shadows: AttackResults | None,
    draws: Mapping[str, int],
) -> dict[str, Any]:
    """The share of each target, beside the true one."""
    helps = np.isin(given.targets, given.shadows)
    rows = []
    for place, target in enumerate(given.targets[:COUNTED].tolist()):
        others = helps & (np.arange(len(helps)) != place)
        if on_shadows is None:
            known, members = scores[others], truth[others]
        elif compared in on_shadows.scores:
            known, members = on_shadows.scores[compared], on_shadows.membership
        else:
            raise Refused(f"the shadows cannot be attacked by {compared} themselves")
        one = used_share(scores[place], known, members, **draws)
        rows.append({"target": target, "members": float(truth[place].mean()), **one.to_json()})
    return {"attack": compared, "targets": rows}
