"""A run's directory, written without training: Gaussian scores, measured as a run measures them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pptp_jax.data import Balanced, Bytes, Dataset
from pptp_jax.evaluation import Curve, matched_utility, point
from pptp_jax.evaluation.attack_fleet import Attacked
from pptp_jax.evaluation.combination import combined
from pptp_jax.evaluation.riskiest import write_riskiest
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics import Bootstrap, attack_metrics, masked_mean

TARGETS, EXAMPLES, RESAMPLES = 4, 400, 20
MEMBERSHIP = Balanced(models=TARGETS).draw(EXAMPLES, seed=0)
# What every text of a study may contain, and no page may take for markup.
NASTY = "<script>alert('&')</script>"


def write_run(
    directory: Path, gaps: dict[str, float], attacks: int = 2, images: bool = True
) -> dict[str, Any]:
    """Results, scores and riskiest records of recipes whose members score higher by the gaps."""
    rng = np.random.default_rng(0)
    names = ["lira_online", "loss", *(f"attack_{i}" for i in range(2, attacks))]
    members, rows, curves, seen = MEMBERSHIP.matrix, [], [], {}
    (directory / "scores").mkdir(parents=True)
    for slug, gap in gaps.items():
        shift = gap * members
        scores = {
            name: rng.normal(size=members.shape) + shift * (2 if name == "attack_2" else 1 / i)
            for i, name in enumerate(names, 1)
        }
        correct = rng.random(members.shape) < 0.7 + 0.05 * gap
        measured = {
            name: {
                k: v._asdict() for k, v in attack_metrics(own, members, resamples=RESAMPLES).items()
            }
            for name, own in scores.items()
        }
        arrays = {"membership": members, "targets": np.arange(TARGETS), **scores}
        arrays["examples"] = np.arange(EXAMPLES)
        np.savez(directory / "scores" / f"{slug}.npz", **arrays)
        seen[slug] = Attacked(np.arange(TARGETS), members, correct, scores, [])
        curves.append(
            Curve(
                slug,
                (
                    point(
                        scores["lira_online"],
                        members,
                        correct,
                        label=f"{slug} 3",
                        resampling=Bootstrap(*members.shape, RESAMPLES),
                    ),
                ),
            )
        )
        rows.append(
            {
                "recipe": slug,
                "region": "stem",
                "defence": "relaxloss",
                "strength": 0.5,
                "epochs": "1+2",
                "slug": slug,
                "diverged": [3],
                "notes": [f"{slug}: [a note] {NASTY}"],
                "utility": masked_mean(correct, ~members, resamples=RESAMPLES)._asdict(),
                "train_utility": masked_mean(correct, members, resamples=RESAMPLES)._asdict(),
                "attacks": measured,
                **slices_of(measured, names),
                "combined": combined(
                    scores, members, "lira_online", resamples=RESAMPLES, seed=0
                ).record,
                "white_box": {"gradients": {"stem": measured["loss"], "head": measured["loss"]}},
            }
        )
    first, *others = curves
    results = {
        "schema": 2,
        "study": f"mine {NASTY}",
        "command": f"pptp run '{NASTY}.py'",
        "config": {
            "type": "Study",
            "model": {"name": NASTY, "widths": [8, 10]},
            "data": {"type": "Npz", "path": NASTY},
            "optimizer": {"type": "SGD", "momentum": 0.9},
            "recipes": [{"type": "Recipe", "phases": [{"epochs": 3, "frozen": []}]}],
            "trajectory": [1, 2],
            "resamples": RESAMPLES,
        },
        "data": {"name": NASTY, "examples": EXAMPLES, "classes": 3, "fingerprint": "f" * 64},
        "models": TARGETS,
        "targets": TARGETS,
        "members": EXAMPLES // 2,
        "seed": 0,
        "versions": {"python": "3.11"},
        "device": "cpu",
        "seconds": 1.5,
        "rows": rows,
        "compared": "lira_online",
        "curves": [curve.to_json() for curve in curves],
        "comparisons": [matched_utility(c, first, attack="lira online").to_json() for c in others],
    }
    (directory / "results.json").write_text(json.dumps(results))
    shape = (EXAMPLES, 6, 6, 1) if images else (EXAMPLES, 6)
    data = Dataset(
        name="d",
        x=rng.random(shape),
        y=np.arange(EXAMPLES) % 3,
        ids=np.array([f"{NASTY}/{i}" for i in range(EXAMPLES)]),
        num_classes=3,
    )
    write_riskiest(directory / "riskiest.npz", data, MEMBERSHIP, seen, "lira_online")
    return results


def slices_of(measured: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """What a run tells beyond rates, in the form that docs/metrics.md has."""
    auc, unknown = measured["loss"]["auc"], dict.fromkeys(("value", "low", "high"))
    square = [[0.25 if i != j else 1.0 for i in range(len(names))] for j in range(len(names))]
    square[0][1] = square[1][0] = None  # neither finds anybody

    def slices(count: int) -> list[dict[str, Any]]:
        found = [auc] * (count - 1) + [unknown]
        return [
            {"slice": i, "members": 9, "nonmembers": 9, "metrics": {"auc": one}}
            for i, one in enumerate(found)
        ]

    return {
        "roc": {"fpr": [0.01, 1.0], "tpr": [0.1, 1.0], "low": [0.0, 0.9], "high": [0.2, 1.0]},
        "per_class": slices(3),
        "per_decile": slices(10),
        "calibrated": {
            cut: {"tpr": auc, "fpr": auc, "balanced_accuracy": auc} for cut in ("best", "fpr@0.01")
        },
        "agreement": {"fpr": 0.01, "attacks": names, "found": [1234] * len(names)}
        | dict.fromkeys(("jaccard", "low", "high", "chance", "overlap"), square),
        "stability": {name: {"jaccard": auc, "chance": 0.05} for name in names},
    }


def write_text(
    directory: Path, texts: list[str], leaks: dict[str, float], numbers: bool = True
) -> None:
    """Riskiest records of text in the place of images: one of the texts each, cut to 300 bytes.

    The tokens of each recipe are more likely to members by some deviations at every 7th place.
    """
    rng = np.random.default_rng(1)
    y = np.full((EXAMPLES, 300), -1)
    for i, row in enumerate(y):
        tokens = Bytes().encode(f"{i}: {texts[i % len(texts)]}")[:300]
        row[: len(tokens)] = tokens
    ids = np.array([f"{NASTY}/{i}" for i in range(EXAMPLES)])
    data = Dataset("t", np.maximum(y, 0), y, ids, num_classes=None, vocabulary=257)
    seen, fleets = {}, {}
    for slug, leak in leaks.items():
        with np.load(directory / "scores" / f"{slug}.npz") as stored:
            scores = {"lira_online": stored["lira_online"]}
        members = MEMBERSHIP.matrix
        seen[slug] = Attacked(np.arange(TARGETS), members, members, scores, [])
        log_p = rng.normal(-3, 0.1, (TARGETS, 1, *y.shape))
        log_p[..., ::7] += 0.1 * leak * members[:, None, :, None]
        signals = {"finite": np.ones(TARGETS, bool)} | (
            {"token_log_prob": log_p} if numbers else {}
        )
        fleets[slug] = FleetSignals(signals)
    write_riskiest(
        directory / "riskiest.npz",
        data,
        MEMBERSHIP,
        seen,
        "lira_online",
        fleets=fleets,
        texts=Bytes().texts if texts[0] != "ids" else None,
    )
