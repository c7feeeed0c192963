"""What the page shows, as plain data: the content of `report.json`."""

import base64
import math
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib.image import imsave

from pptp_jax.evaluation.run_files import (
    AGAIN,
    Scores,
    read_canaries,
    read_results,
    read_risk_map,
    read_riskiest,
    read_sample_pictures,
    read_scores,
)
from pptp_jax.metrics import Roc, alarm_rates, auc, riskiest, roc
from pptp_jax.report.page.token_text import stored_tokens
from pptp_jax.validation import Refused

# As many riskiest records as a page needs where the run has kept none.
COUNT = 10
ROC_POINTS = 181
BINS = 48
# What lies outside these quantiles of the scores is counted in the outermost bins.
TAILS = (0.005, 0.995)


def content(directory: Path) -> dict[str, Any]:
    """Everything that the page shows, from what is stored in a run's directory.

    Args:
        directory: of a run: `results.json`, `scores/`, `riskiest.npz`, `risk_map.json`, and
            `audit.json`; what is missing is left out, as long as there are results, a risk map or
            an audit by canaries.

    Returns:
        `results` as `RunResults`, `risk_map` and `canaries` as they are stored (None if not), and
        by recipe `rocs` (of every attack on the first recipe, of the compared one on the others),
        `histograms` of the compared attack's scores, the `riskiest` records, and `samples` of
        generative models; and how many `shadows` each example has, if every model is a target.

    Raises:
        ValueError: if there is nothing to report, or a file is damaged or belongs to another run.
    """
    if not directory.is_dir():
        raise Refused(f"{directory}: there is no such directory; give the one of a run")
    results, risks = read_results(directory), read_risk_map(directory)
    audit = read_canaries(directory)
    if results is None and risks is None and audit is None:
        if (directory / "manifest.json").exists():
            raise Refused(
                f"{directory} holds a run that is not finished: the same command goes on from there"
            )
        raise Refused(
            f"{directory} holds neither results.json nor risk_map.json nor audit.json, so it is "
            "not the directory of a run"
        )
    found: dict[str, Any] = {"results": results, "risk_map": risks, "canaries": audit}
    found |= {"rocs": {}, "histograms": {}, "riskiest": {}, "samples": _samples(directory)}
    found["shadows"] = {}
    if results is None:
        return found
    compared = results.compared
    for i, row in enumerate(results.rows):
        for attack in row.attacks if i == 0 else [compared]:
            known = row.attack(attack).auc.value
            stored = None if known is None else read_scores(directory, row.slug, attack)
            if known is None or stored is None:
                continue
            curve = roc(stored.scores, stored.membership)
            if abs(auc(curve) - known) > 1e-6:
                raise Refused(
                    f"{directory / 'scores' / row.slug}.npz is not that of results.json: its "
                    f"AUC of {attack} is {auc(curve):.4f}, not {known:.4f}; {AGAIN}"
                )
            found["rocs"].setdefault(row.slug, {})[attack] = _thinned(curve, stored.membership)
            if attack == compared:
                found["histograms"][row.slug] = _histogram(stored.scores, stored.membership)
                found["riskiest"][row.slug] = _told_best(stored)
                if len(stored.membership) == results.models:
                    found["shadows"] = _shadows(stored.membership)
    found["riskiest"] |= _kept(directory, compared)
    return found


def _shadows(membership: Bool[np.ndarray, "models examples"]) -> dict[str, list[int]]:
    """The fewest and the most IN and OUT shadows of an example, where all others are shadows."""
    sides = {"IN": membership, "OUT": ~membership}
    counts = {name: side.sum(axis=0) - side for name, side in sides.items()}
    return {name: [int(own.min()), int(own.max())] for name, own in counts.items()}


def _thinned(curve: Roc, membership: Bool[np.ndarray, "targets examples"]) -> dict[str, Any]:
    """The ROC at equal steps of the logarithm of the FPR, from one false alarm up."""
    least = 1 / (~membership).sum()
    fprs = np.geomspace(least, 1, ROC_POINTS)
    # A step is reached where its rate is, give or take a rounding.
    at = np.searchsorted(curve.fpr, fprs * (1 + 1e-9), side="right") - 1
    return {"fpr": fprs.tolist(), "tpr": curve.tpr[at].tolist()}


def _histogram(
    scores: Float[np.ndarray, "targets examples"], membership: Bool[np.ndarray, "targets examples"]
) -> dict[str, Any]:
    """Shares of members and of non-members, in bins of equal width."""
    finite = scores[np.isfinite(scores)]
    low, high = np.quantile(finite, TAILS) if finite.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)

    def shares(chosen: Bool[np.ndarray, "targets examples"]) -> list[float]:
        counts, _ = np.histogram(scores[chosen].clip(low, high), edges)
        return (counts / counts.sum()).tolist()

    return {
        "edges": edges.tolist(),
        "members": shares(membership),
        "nonmembers": shares(~membership),
        "pairs": {"members": int(membership.sum()), "nonmembers": int((~membership).sum())},
    }


def _told_best(stored: Scores) -> list[dict[str, Any]]:
    """The riskiest records by the scores alone, which know no labels and no pictures."""
    rates = alarm_rates(stored.scores, stored.membership)
    return [
        _record(
            f"example {stored.examples[i]}" if stored.ids is None else str(stored.ids[i]),
            stored.membership[:, i],
            stored.scores[:, i],
            rates[:, i],
        )
        for i in riskiest(stored.scores, stored.membership, COUNT)
    ]


def _kept(directory: Path, attack: str) -> dict[str, list[dict[str, Any]]]:
    """The riskiest records that the run has kept, by recipe."""
    stored = read_riskiest(directory)
    if stored is None or str(stored["attack"]) != attack:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for i, j in np.ndindex(stored["ids"].shape):
        told = np.isfinite(stored["alarm_rates"][i, j])  # a target that diverged tells nothing
        columns = (stored[name][i, j][told] for name in ("membership", "scores", "alarm_rates"))
        record = _record(str(stored["ids"][i, j]), *columns)
        if "labels" in stored:
            record["label"] = int(stored["labels"][i, j])
        if "pictures" in stored:
            record["picture"] = _png(stored["pictures"][i, j])
        if (tokens := stored_tokens(stored, (i, j))) is not None:
            record["tokens"] = tokens
        found.setdefault(str(stored["slugs"][i]), []).append(record)
    return found


def _samples(directory: Path) -> dict[str, dict[str, Any]]:
    """The samples that the run has kept of each recipe, with what is nearest to them."""
    stored = read_sample_pictures(directory)
    if stored is None:
        return {}
    found = {}
    for i, slug in enumerate(stored["slugs"]):
        told = stored["nearer"][i][np.isfinite(stored["nearer"][i])]
        found[str(slug)] = {
            "nearer": [float(told.mean()), float(told.min()), float(told.max())],
            "samples": [
                {
                    "pictures": [_png(pixels) for pixels in pictures],
                    "distances": distances.tolist(),
                    "ids": ids.astype(str).tolist(),
                }
                for pictures, distances, ids in zip(
                    *(stored[name][i] for name in ("pictures", "distances", "ids")), strict=True
                )
            ],
        }
    return found


def _record(
    name: str,
    membership: Bool[np.ndarray, " targets"],
    scores: Float[np.ndarray, " targets"],
    rates: Float[np.ndarray, " targets"],
) -> dict[str, Any]:
    """One example, and what the attack says of it on each target."""
    targets = zip(membership.tolist(), scores.tolist(), rates.tolist(), strict=True)
    return {
        "id": name,
        "targets": [
            {
                "member": member,
                "score": score if math.isfinite(score) else None,  # JSON has no infinity
                "alarm_rate": rate,
            }
            for member, score, rate in targets
        ],
    }


def _png(pixels: UInt8[np.ndarray, "height width channels"]) -> str:
    """A picture as a data URI."""
    file = BytesIO()
    imsave(file, np.broadcast_to(pixels, (*pixels.shape[:2], 3)), format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
