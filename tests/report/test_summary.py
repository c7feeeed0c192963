"""The summary of a run fits a terminal and says what its numbers say."""

from pathlib import Path

import numpy as np
import pytest

from pptp_jax.evaluation import AttackResult, RecipeResult, RunResults
from pptp_jax.metrics import UNRESOLVED, Estimate
from pptp_jax.report import render_summary, render_table


def estimate(value: float) -> Estimate:
    return Estimate(value, value - 0.02, value + 0.02)


def recipe(name: str, auc: float | None, accuracy: float = 0.9, **given: object) -> RecipeResult:
    found = AttackResult(
        {"auc": UNRESOLVED if auc is None else estimate(auc), "tpr@0.01": estimate(0.1)}
    )
    attacks = {name: found for name in ("lira_online", "rmia_online", "loss")}
    return RecipeResult(
        slug=name, recipe=name, utility=estimate(accuracy), attacks=attacks, **given
    )


def results(*rows: RecipeResult, **given: object) -> RunResults:
    about = {"study": "mine", "data": {"name": "digits", "examples": 400, "classes": 10}}
    about |= {"compared": "lira_online"}
    return RunResults(rows=rows, **(about | given))


@pytest.mark.parametrize("width", [40, 80, 90, 100, 200])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, width: int) -> None:
    rows = [recipe("a" * 30, 0.7), recipe("b", 0.6, warnings=("word " * 40,))]
    text = render_summary(results(*rows), tmp_path, width)
    assert max(map(len, text.splitlines())) <= min(max(width, 80), 100)
    assert "test accuracy" in text and "LiRA AUC" in text and "…" not in text


def test_more_room_shows_more_attacks(tmp_path: Path) -> None:
    found = results(recipe("undefended", 0.7))
    narrow, wide = (render_summary(found, tmp_path, width) for width in (80, 100))
    assert "RMIA" not in narrow and "RMIA AUC" in wide and "LOSS AUC" in wide


def test_the_strongest_leak_and_the_price_of_each_defence(tmp_path: Path) -> None:
    text = render_summary(
        results(recipe("stopped", 0.6, 0.88), recipe("undefended", 0.7, 0.93)), tmp_path
    )
    text = " ".join(text.split())
    assert "undefended: LiRA gives a member the higher score in 70 % [68, 72] of pairs" in text
    assert "finds 10 % [8, 12] of the members at 1 % false positives." in text
    assert "stopped: AUC 0.70 → 0.60, accuracy 93.0 → 88.0 % (-5.0)." in text


def test_a_stronger_attack_is_named_below_the_table(tmp_path: Path) -> None:
    """Beyond the interval of the compared attack, whose upper end is .02 above its AUC."""
    rows = [recipe("plain", 0.6), recipe("stopped", 0.6)]
    rows[0].attacks["shadow_network"] = AttackResult()  # without an AUC
    for attack, row, value in (("rmia_online", 0, 0.63), ("loss", 0, 0.65), ("loss", 1, 0.615)):
        rows[row].attacks[attack] = AttackResult({"auc": estimate(value)})
    found = results(*rows)
    for text in (render_summary(found, tmp_path), render_table(found)):
        text = " ".join(text.split())
        assert "other attacks are stronger than LiRA on plain (LOSS, AUC 0.650). LiRA may" in text
        assert "highest of 3 AUCs on the same data overstates it" in text
    alike = results(recipe("plain", 0.6))
    assert "stronger" not in render_summary(alike, tmp_path) + render_table(alike)


def test_an_attack_that_may_only_guess_is_not_called_stronger(tmp_path: Path) -> None:
    row = recipe("plain", 0.45)
    guess = {"shadow_network": AttackResult({"auc": Estimate(0.54, 0.46, 0.62)})}
    guessed = RecipeResult(slug="plain", recipe="plain", attacks=dict(row.attacks) | guess)
    assert "stronger" not in render_summary(results(guessed), tmp_path)


def test_a_long_name_leaves_room_for_numbers(tmp_path: Path) -> None:
    row = recipe("freeze_" + "-".join(f"stage{i}" for i in range(40)), 0.7)
    assert "0.700" in render_summary(results(row), tmp_path, 80)
    assert "…" not in render_table(results(row))


def test_another_measure_has_no_points(tmp_path: Path) -> None:
    rows = recipe("plain", 0.7, 3.0), recipe("stopped", 0.6, 3.25)
    found = results(*rows, utility_name="bits per token", higher_is_better=False)
    text = render_summary(found, tmp_path)
    assert "AUC 0.70 → 0.60, bits per token 3.000 → 3.250." in text


@pytest.mark.parametrize("rival, explained", [("tuned rivals", True), ("early stopping", False)])
def test_tuned_rivals_are_explained_where_they_are_named(
    tmp_path: Path, rival: str, explained: bool
) -> None:
    verdict = f"freeze keeps more than {rival}."
    pair = {"b": rival, "statistic": "auc", "mean": estimate(0.01), "verdict": verdict}
    text = render_summary(results(recipe("freeze", 0.7), comparisons=(pair,)), tmp_path)
    assert verdict in text
    assert ("Tuned rivals: all methods without a protected region." in text) == explained


def test_many_recipes_are_left_to_the_report(tmp_path: Path) -> None:
    rows = [recipe(f"r{i}", 0.6 + i / 100) for i in range(7)]
    assert "Defences" not in render_summary(results(*rows), tmp_path)
    assert "Defences" in render_summary(results(*rows[:6]), tmp_path)


def test_records_at_risk_are_those_of_the_strongest_leak(tmp_path: Path) -> None:
    ids = np.array([["x/1", "x/2", "x/3", "x/4"], ["y/1", "y/2", "y/3", "y/4"]])
    empty = np.zeros((2, 4, 1))
    np.savez(
        tmp_path / "riskiest.npz",
        slugs=np.array(["a", "b"]),
        attack=np.array("lira_online"),
        ids=ids,
        scores=empty,
        alarm_rates=empty,
        membership=empty.astype(bool),
    )
    text = render_summary(results(recipe("a", 0.6), recipe("b", 0.7)), tmp_path)
    assert "y/1, y/2, y/3: the members that LiRA is surest of." in text and "y/4" not in text


def test_without_an_auc_only_warnings_are_left(tmp_path: Path) -> None:
    text = render_summary(results(recipe("a", None, warnings=("it learned nothing",))), tmp_path)
    assert "a: it learned nothing" in text and "What leaks" not in text


def test_a_verdict_is_shown_where_there_is_one(tmp_path: Path) -> None:
    about = {"a": "freeze", "b": "early stopping", "statistic": "auc", "attack": "LiRA"}
    some = about | {"mean": {"value": 0.02, "low": 0.01, "high": 0.03}, "verdict": "It differs."}
    none = about | {"mean": {"value": None, "low": None, "high": None}, "verdict": "No overlap."}
    text = render_summary(results(recipe("a", 0.6), comparisons=(some, none)), tmp_path)
    assert "It differs." in text and "No overlap." not in text
