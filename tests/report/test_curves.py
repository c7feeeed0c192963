"""The figure and the table of matched comparisons, from plain data."""

from pathlib import Path

import numpy as np
from PIL import Image

from pptp_jax.evaluation import RunResults
from pptp_jax.report import draw_curves, render_comparison
from pptp_jax.report.page.sentences import caveats


def plain(name: str, *places: tuple[float, float]) -> dict[str, object]:
    def around(x: float) -> dict[str, float]:
        return {"value": x, "low": x - 0.01, "high": x + 0.02}

    return {
        "name": name,
        "points": [{"label": "", "utility": around(y), "auc": around(x)} for x, y in places],
    }


def test_curves_are_drawn_each_in_its_colour(tmp_path: Path) -> None:
    curves = [plain("a", (0.6, 0.5), (0.7, 0.6), (0.8, 0.4)), plain("b", (0.7, 0.5), (0.8, 0.7))]
    path = draw_curves(curves, tmp_path / "curves.png", attack="LiRA", title="t")
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    for colour in ([0x00, 0x72, 0xB2], [0xD5, 0x5E, 0x00]):
        assert (pixels == colour).all(axis=1).sum() > 100


def test_many_curves_get_a_panel_for_each_defence_beside_the_control(tmp_path: Path) -> None:
    defended = [
        f"{kind} ({d})" for d in ("relaxloss", "hamp", "ccl") for kind in ("whole", "split")
    ]
    curves = [plain(n, (0.6, 0.5), (0.8, 0.7)) for n in ("control", "freeze", "cut", *defended)]
    with Image.open(draw_curves(curves, tmp_path / "many.png")) as many:
        pixels, tall = np.asarray(many.convert("RGB")), many.height
    with Image.open(draw_curves(curves[:2], tmp_path / "few.png")) as few:
        assert tall > 1.5 * few.height
    # The control's colour is in each of the four quarters.
    control = (pixels == [0x00, 0x72, 0xB2]).all(axis=-1)
    for half in np.array_split(control, 2, axis=0):
        assert all(quarter.sum() > 50 for quarter in np.array_split(half, 2, axis=1))


def test_no_figure_of_a_statistic_that_no_point_resolves(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    assert draw_curves([plain("a", (0.6, 0.5))], path, statistic="tpr@0.001") is None
    assert not path.exists()


def test_the_table_has_the_mean_and_unknown_values() -> None:
    unknown = dict.fromkeys(("value", "low", "high"))
    known = {"value": 0.042, "low": -0.001, "high": 0.05}
    pair = {
        "a": "x",
        "b": "y",
        "statistic": "auc",
        "attack": "LiRA",
        "gain": "points more",
        "verdict": "It [is] so.",
    }
    text = render_comparison(
        [pair | {"common": [0.6, 0.7], "mean": known}, pair | {"common": None, "mean": unknown}]
    )
    rows = [line.split() for line in text.splitlines() if line.strip().startswith("x")]
    assert rows[0] == ["x", "y", "LiRA", "AUC", "0.600", "0.700", "+4.2", "[-0.1,", "+5.0]"]
    assert rows[1] == ["x", "y", "LiRA", "AUC", "-", "-", "n/a", "n/a"]
    assert text.endswith("It [is] so.\nIt [is] so.")
    assert "favours them" not in text
    hull = [pair | {"b": "tuned rivals", "common": [0.6, 0.7], "mean": known}]
    explained = "which favours them.\nIt [is] so."
    assert render_comparison(hull).endswith(explained)
    told = caveats({"results": RunResults(rows=(), comparisons=tuple(hull)), "histograms": {}})
    assert told[-1].endswith("which favours them.")
