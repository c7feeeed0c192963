"""The figure of all attacks: who is in it, in which order, and in which colour."""

from pathlib import Path

import matplotlib.colors
import pytest
from matplotlib.figure import Figure

from pptp_jax.evaluation import AttackResult, RecipeResult
from pptp_jax.metrics import Estimate
from pptp_jax.report.attack_figure import ACCESS, draw_attacks


def row(**aucs: float) -> RecipeResult:
    made = {
        name: AttackResult(
            {
                "auc": Estimate(value, value - 0.1, value + 0.1),
                "tpr@0.01": Estimate(value / 2, value / 4, value),
            }
        )
        for name, value in aucs.items()
    }
    return RecipeResult(slug="a", attacks={"entropy": AttackResult(), **made})


def test_each_attack_is_drawn_with_its_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda own, *a, **b: kept.append(own) or save(own, *a))
    rows = {
        "one": row(loss=0.6, lira_online=0.8, gradient_norm=0.7),
        "two": row(noise=0.55, mine=0.9),
    }
    path = draw_attacks(rows, tmp_path / "all.png", "Every attack")
    assert path.read_bytes().startswith(b"\x89PNG")
    [figure] = kept
    auc, tpr, other, _ = figure.axes
    assert [text.get_text() for text in auc.get_yticklabels()] == [
        "LiRA",
        "gradient norm",
        "LOSS",
    ]
    assert [text.get_text() for text in other.get_yticklabels()] == ["mine", "noise"]
    assert (auc.get_title(loc="left"), other.get_title(loc="left")) == ("one", "two")
    bars = [line for line in tpr.lines if len(line.get_xdata()) == 2 and line.get_color() != "grey"]
    assert [tuple(bar.get_xdata()) for bar in bars] == [
        pytest.approx((value / 4, value)) for value in (0.8, 0.7, 0.6)
    ]
    for bar, access in zip(bars, ("scores", "white-box", "scores"), strict=True):
        assert matplotlib.colors.same_color(bar.get_color(), ACCESS[access][0])
    marks = [line.get_marker() for line in auc.lines if len(line.get_xdata()) == 1]
    assert marks == ["o", "s", "s"]  # LiRA has shadows
