"""Reports from results alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pptp_jax.evaluation.results import RunResults
from pptp_jax.metrics import Estimate, attack_metrics
from pptp_jax.report import draw_figures, render_attacks, render_table
from pptp_jax.report.table import cell


def estimate(value: float | None, low: float = 0.0, high: float = 0.0) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value - low, "high": value + high}


def row(slug: str, auc: float | None, **changes: object) -> dict[str, object]:
    attack = {
        "auc": estimate(auc, 0.01, 0.02),
        "tpr@0.01": estimate(0.3, 0.1, 0.1),
        "tpr@0.001": estimate(None),
        "balanced_accuracy": estimate(0.6),
    }
    return {
        "recipe": slug,
        "region": "stem",
        "defence": "relaxloss",
        "strength": 0.5,
        "epochs": "1+2",
        "slug": slug,
        "diverged": [],
        "notes": [],
        "train_utility": estimate(0.99),
        "utility": estimate(0.8, 0.03, 0.01),
        "attacks": {"lira_online": attack},
        **changes,
    }


def results(*rows: dict[str, object]) -> RunResults:
    record = {
        "schema": 2,
        "study": "s",
        "data": {"name": "d", "examples": 10, "classes": 2},
        "models": 4,
        "members": 5,
        "targets": 4,
        "rows": list(rows),
        "compared": "lira_online",
        "curves": [
            {
                "name": r["slug"],
                "points": [
                    {
                        "label": "p",
                        "utility": r["utility"],
                        "auc": r["attacks"]["lira_online"]["auc"],
                    }
                ],
            }
            for r in rows
            if r["attacks"]["lira_online"]["auc"]["value"] is not None
        ],
    }
    return RunResults.from_json(record)


def test_the_table_shows_the_wider_side_and_what_is_unknown() -> None:
    text = render_table(results(row("freeze", 0.75)))
    [line] = [line for line in text.splitlines() if line.strip().startswith("freeze")]
    assert line.split() == [
        "freeze",
        "stem",
        "relaxloss",
        "0.5",
        "1+2",
        "0.800",
        "±0.030",
        "0.750",
        "±0.020",
        "0.300",
        "±0.100",
        "n/a",
    ]
    assert "LiRA offline" not in text


def test_notes_and_divergence_are_printed_as_they_are_written() -> None:
    noted = row("split", 0.5, diverged=[3, 7], notes=["rmia_online: needs [more] shadows"])
    text = render_table(results(noted, row("freeze", 0.7)))
    assert "note: split: models [3, 7] diverged and are left out" in text
    assert "note: rmia_online: needs [more] shadows" in text


@pytest.fixture
def out(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    membership = rng.random((2, 500)) < 0.5
    (tmp_path / "scores").mkdir()
    for slug, gap in (("a", 0.5), ("b", 2.0)):
        scores = rng.normal(size=(2, 500)) + gap * membership
        np.savez(tmp_path / "scores" / f"{slug}.npz", lira_online=scores, membership=membership)
    return tmp_path


def test_names_in_brackets_are_printed_as_they_are() -> None:
    found = results(row("freeze", 0.75, region="conv[1]"))
    found = replace(found, data={**found.data, "name": "cells[/v2] :key: [red].npz"})
    text = render_table(found)
    assert text.startswith("s: cells[/v2] :key: [red].npz, 10 examples")
    assert "conv[1]" in text


def test_an_attack_that_is_always_wrong_stands_in_the_table() -> None:
    assert "0.000 ±0.020" in render_attacks(results(row("given", 0.0)))


def test_figures_are_drawn(out: Path) -> None:
    paths = draw_figures(results(row("a", 0.6), row("b", 0.9)), out)
    assert [path.name for path in paths] == ["utility_over_auc.png", "roc.png"]
    for path in paths:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        assert pixels.shape[1] > 1000
        # More than a blank page with axes: the colours of the curves are there.
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_no_figure_of_what_is_not_known(out: Path) -> None:
    assert draw_figures(results(row("a", None)), out) == []
    assert not list(out.glob("*.png"))


def test_a_rate_of_tied_scores_shows_both_ends_of_its_interval() -> None:
    """90 % of the members and 1.05 % of the non-members have the higher score of two."""
    membership = np.arange(4000)[None] < 2000
    scores = np.zeros((1, 4000))
    scores[0, :1800] = scores[0, 2000:2021] = 1.0
    rate = attack_metrics(scores, membership, resamples=200)["tpr@0.01"]
    assert rate.value == 0 and rate.high > 0.88
    assert cell(rate) == f"0.000 [0.000, {rate.high:.3f}]"
    assert cell(Estimate(0.02, 0.0, 0.05)) == "0.020 ±0.030"
