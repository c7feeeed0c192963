"""`pptp choose`."""

import json
from pathlib import Path
from typing import Any

import pytest
from invoking import pptp

from pptp_jax.evaluation import AttackResult, RecipeResult, RunResults
from pptp_jax.storage.files import write_json


def setting(recipe: str, margin: tuple[float, float, float] | None, stop: int | None = None) -> Any:
    def estimate(value: Any, low: Any, high: Any) -> dict[str, Any]:
        return {"value": value, "low": low, "high": high}

    return {
        "method": "freeze stem",
        "recipe": recipe,
        "stop": stop,
        "strength": estimate(0.6, 0.58, 0.62),
        "utility": estimate(0.5, 0.48, 0.52),
        "margin": estimate(*(margin or (None, None, None))),
    }


def tuned(home: Path, *settings: Any, regions: tuple[str, ...] = ("-", "stem")) -> Path:
    rows = [
        RecipeResult(slug=f"r{i}", region=region, attacks={"loss": AttackResult()})
        for i, region in enumerate(regions)
    ]
    results = RunResults(rows=tuple(rows), compared="lira_online").to_json()
    write_json(home / "manifest.json", {"study": "tuned"})
    write_json(home / "results.json", results | {"margins": list(settings)})
    return home


SETTINGS = (
    setting("wide", (0.05, -0.01, 0.11)),
    setting("unreached", None),
    setting("sure", (0.03, 0.02, 0.04), stop=2),
    setting("less", (0.025, 0.015, 0.03)),
)


def test_it_fits_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = pptp("choose", tuned(tmp_path, *SETTINGS))
    assert result.exit_code == 0 and max(map(len, result.stdout.splitlines())) <= 80


def test_the_surest_is_taken_not_the_largest(tmp_path: Path) -> None:
    home = tuned(tmp_path, *SETTINGS)
    found = json.loads(pptp("choose", home, "--json").stdout)
    assert [own["recipe"] for own in found["ranking"]] == ["sure", "less", "wide", "unreached"]
    assert found["take"] == SETTINGS[2]
    assert found["sentence"] == (
        "Take sure (stopped after 2) to a fleet of another seed: it keeps 3.0 points "
        "[2.0, 4.0] more accuracy than the tuned rivals at its attack strength."
    )
    shown = pptp("choose", home).stdout
    assert found["sentence"] in " ".join(shown.split()) and "[+2.0, +4.0]" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["unreached", "-", "0.600", "±0.020", "0.500", "±0.020", "n/a", "n/a"] in rows


def test_none_is_taken_where_none_lies_above(tmp_path: Path) -> None:
    home = tuned(tmp_path, *SETTINGS[:2])
    found = json.loads(pptp("choose", home, "--json").stdout)
    assert found["take"] is None
    assert found["sentence"] == (
        "No setting lies above the hull of the tuned rivals by its entire interval; the nearest is "
        "wide, by 5.0 points [-1.0, 11.0]."
    )
    home = tuned(tmp_path, SETTINGS[1])
    told = " ".join(pptp("choose", home).stdout.split())
    assert "No setting leaks as much as the tuned rivals do at least" in told


@pytest.mark.parametrize(
    ("regions", "reason"),
    [
        (("-", "-"), "none of its recipes protects a region"),
        (("stem", "head"), "each of its recipes protects a region"),
        (("-", "stem"), "it has no margins, because another version wrote it or no attack worked"),
    ],
)
def test_a_run_with_nothing_to_rank(regions, reason: str, tmp_path: Path) -> None:
    result = pptp("choose", tuned(tmp_path, regions=regions))
    assert result.exit_code == 1 and f"has nothing to choose from: {reason}" in result.stderr


def test_what_is_no_finished_run_is_refused(tmp_path: Path) -> None:
    result = pptp("choose", tmp_path / "nowhere")
    assert result.exit_code == 1 and "has no results.json" in result.stderr
    broken = setting("broken", (0.1, 0.0, 0.2)) | {"margin": 3}
    result = pptp("choose", tuned(tmp_path, broken))
    assert result.exit_code == 1 and "margins[0].margin must be a record" in result.stderr
