"""Combine all attacks on a fleet into one probability a record, and measure the gain."""

import csv
import io
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pptp_jax.data.boosted_trees import on_one_thread
from pptp_jax.metrics import (
    Bootstrap,
    Drawn,
    attack_metrics,
    auc,
    bootstrap_metrics,
    brier,
    combine,
    reliability,
    roc,
)
from pptp_jax.storage.files import write_arrays, write_text
from pptp_jax.validation import Refused

# The statistics that compare the combined attacks with one alone.
GAINS = ("auc", "tpr@0.01", "tpr@0.001")
COLUMNS = ("record", "label", "targets_with", "targets_without")
NUMBERS = ("mean_with", "highest_with", "mean_without", "highest_without")


class Combined(NamedTuple):
    """The combined attacks, or the reason why they cannot be combined.

    Attributes:
        probability: of membership; None where the attacks cannot be combined.
        record: what joins a row of the results, by the keys that docs/metrics.md lists.
        note: why the attacks cannot be combined.
    """

    probability: Float[np.ndarray, "targets examples"] | None = None
    record: dict[str, Any] | None = None
    note: str | None = None


def combined(
    scores: Mapping[str, Float[np.ndarray, "targets examples"]],
    membership: Bool[np.ndarray, "targets examples"],
    compared: str,
    *,
    shadow_scores: Mapping[str, Float[np.ndarray, "shadows examples"]] | None = None,
    shadow_membership: Bool[np.ndarray, "shadows examples"] | None = None,
    classifier: Callable[[int], Any] | None = None,
    resamples: int,
    seed: int,
) -> Combined:
    """Combines the attacks that were made, by `pptp_jax.metrics.combine`, and measures the result.

    The gains over the compared attack and over the strongest are differences on the same resamples;
    no combiner is fitted again in a resample. The strongest is chosen on the same scores, which
    favours it.

    Args:
        scores: those of each attack.
        membership: who is a member of which target.
        compared: the attack by which recipes are compared.
        shadow_scores: the same attacks on shadows; None takes, for each target, the other targets.
        shadow_membership: who is a member of which shadow.
        classifier: what joins the attacks in place of a weighted sum, as
            `pptp_jax.metrics.combine` takes it; the record then has no weights and no shares.
        resamples: the number of bootstrap resamples of targets and examples.
        seed: what the bootstrap, and the parts of the examples, depend on.
    """
    if not scores or not len(membership):
        return Combined()
    if shadow_scores is not None:
        scores = {name: own for name, own in scores.items() if name in shadow_scores}
    try:
        with nullcontext() if classifier is None else on_one_thread():
            found = combine(
                scores,
                membership,
                shadow_scores=shadow_scores,
                shadow_membership=shadow_membership,
                classifier=classifier,
                seed=seed,
            )
    except Refused as refusal:
        return Combined(note=f"combined: {refusal}")
    probability = found.probability
    draws: dict[str, Any] = {"resamples": resamples, "seed": seed}
    strongest = max(scores, key=lambda name: auc(roc(scores[name], membership)))
    singles = {name: scores[name] for name in (compared, strongest) if name in scores}
    record = {
        "attacks": list(found.attacks),
        "base_rate": float(found.base_rate.mean()),
        "metrics": {
            name: estimate._asdict()
            for name, estimate in attack_metrics(probability, membership, **draws).items()
        },
        "gains": gains(probability, singles, membership, resamples, seed),
        "brier": brier(probability, membership, **draws).to_json(),
        "reliability": [one.to_json() for one in reliability(probability, membership, **draws)],
        "weights": _by_attack(found.attacks, found.weights),
        "shares": _by_attack(found.attacks, found.shares),
    }
    return Combined(probability, record)


def _by_attack(
    attacks: tuple[str, ...], numbers: Float[np.ndarray, " attacks"]
) -> dict[str, float]:
    """The weights and shares of each attack."""
    return {
        name: number
        for name, number in zip(attacks, numbers.tolist(), strict=True)
        if not np.isnan(number)
    }


def gains(
    probability: Float[np.ndarray, "targets examples"],
    singles: Mapping[str, Float[np.ndarray, "targets examples"]],
    membership: Bool[np.ndarray, "targets examples"],
    resamples: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """The gain of the attacks together over others, with paired intervals.

    Args:
        probability: of membership, by the attacks together; or any other scores.
        singles: the scores of the others, by name.
        membership: who is a member of which target.
        resamples: the number of bootstrap resamples of targets and examples, the same for all.
        seed: what the bootstrap depends on.
    """
    targets, examples = membership.shape
    resampling = Bootstrap(targets, examples, resamples, seed)

    def drawn(scores: Float[np.ndarray, "targets examples"]) -> dict[str, Drawn]:
        return bootstrap_metrics(
            scores, membership, resampling, np.arange(targets), fprs=(0.01, 0.001)
        )

    together = drawn(probability)
    found: dict[str, dict[str, Any]] = {}
    for name, scores in singles.items():
        alone = drawn(scores)
        found[name] = {
            metric: (together[metric] - alone[metric]).estimate()._asdict()
            for metric in GAINS
            if metric in alone
        }
    return found


def write_combined(
    directory: Path,
    slug: str,
    found: Combined,
    membership: Bool[np.ndarray, "targets examples"],
    targets: Int[np.ndarray, " targets"],
    *,
    examples: Int[np.ndarray, " examples"],
    ids: Shaped[np.ndarray, " examples"],
    labels: Int[np.ndarray, " examples"] | None = None,
) -> None:
    """Writes the probabilities of a recipe: all of them, and a table with one line a record.

    `SLUG.npz` has `probability` and `membership` (targets, examples), `targets` and `examples`.
    `SLUG.csv` has for each record its `record`, its `label` where there are classes, how many
    targets trained on it and how many did not (`targets_with`, `targets_without`), and of each side
    the mean and the highest probability (`mean_with`, `highest_with`, `mean_without`,
    `highest_without`; empty where there is no such target). The riskiest records come first: those
    with the highest `mean_with`.

    Args:
        directory: where both go; nothing is written where the attacks were not combined.
        slug: of the recipe.
        found: what `combined` gives.
        membership: who is a member of which target.
        targets: the targets' numbers.
        examples: the examples' numbers.
        ids: what the examples are called.
        labels: their classes.
    """
    probability = found.probability
    if probability is None:
        return
    arrays = {"probability": probability, "membership": membership}
    write_arrays(directory / f"{slug}.npz", arrays | {"targets": targets, "examples": examples})
    sides = []
    for chosen in (membership, ~membership):
        count = chosen.sum(axis=0)
        total, highest = (f(np.where(chosen, probability, 0), axis=0) for f in (np.sum, np.max))
        mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        sides.append((count, mean, np.where(count > 0, highest, np.nan)))
    (with_, mean, highest), (without, other_mean, other_highest) = sides
    order = np.argsort(-np.nan_to_num(mean, nan=-1.0), kind="stable")
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([name for name in (*COLUMNS, *NUMBERS) if name != "label" or labels is not None])
    for i in order.tolist():
        own = [] if labels is None else [int(labels[i])]
        numbers = (part[i] for part in (mean, highest, other_mean, other_highest))
        cells = ["" if np.isnan(number) else f"{number:.4g}" for number in numbers]
        lines.writerow([_text(ids[i]), *own, int(with_[i]), int(without[i]), *cells])
    write_text(directory / f"{slug}.csv", text.getvalue())


def _text(record: Any) -> str:
    return record.decode(errors="replace") if isinstance(record, bytes) else str(record)
