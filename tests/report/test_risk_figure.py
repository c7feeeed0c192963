"""The figure and the table of a risk map, from a record alone."""

from io import BytesIO

import matplotlib.colors
import numpy as np
import pytest
from PIL import Image

from pptp_jax.locate import cuts
from pptp_jax.report import draw_risk_map, render_risk_map
from pptp_jax.report.risk_map import GENERALISATION, PRIVACY

WAYS = ("rewind", "rewind_early", "graft", "retrain")


def estimate(value: float | None) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value - 0.02, "high": value + 0.01}


def measures(accuracy: float | None, auc: float | None) -> dict[str, object]:
    attacks = ("loss", "lira_online", "rmia_online")
    return {
        "accuracy": estimate(accuracy),
        "loss_gap": estimate(auc),
        "auc": {attack: estimate(auc) for attack in attacks},
    }


def record(blocks: int) -> dict[str, object]:
    """A network whose risk falls with depth; the head's retraining has diverged."""
    names = ["stem", *(f"stage{i}" for i in range(1, blocks - 1)), "head"]

    def changes(region: tuple[str, ...]) -> dict[str, object]:
        drop = sum(0.2 / (1 + names.index(name)) for name in region) / 2
        found = {way: measures(-0.01 * len(region), -drop) for way in WAYS}
        if region == ("head",):
            found["retrain"] = measures(None, None)
        return found

    return {
        "study": "mine",
        "setting": {
            "models": 16,
            "members": 50,
            "epochs": 30,
            "early": 2,
            "defence": "hamp",
            "strength": None,
        },
        "undefended": measures(0.7, 0.9),
        "defended": measures(0.6, 0.7),
        "blocks": [
            {
                "name": name,
                "parameters": 10 ** (1 + i % 7),
                "gradient_norm_auc": estimate(0.8),
                "changes": changes((name,)),
            }
            for i, name in enumerate(names)
        ],
        "cuts": [
            {"blocks": list(cut), "parameters": 1234567, "changes": changes(cut)}
            for cut in cuts(names)
        ],
        "auto": {"blocks": ["stem"], "budget": 0.05, "explanation": "stem: [so] it is"},
    }


@pytest.mark.parametrize(("blocks", "by"), [(2, "retrain"), (12, "rewind_early")])
def test_the_figure_is_drawn(blocks: int, by: str) -> None:
    file = BytesIO()
    draw_risk_map(record(blocks), file, by=by)
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[1] > 150 * blocks
    for colour in (PRIVACY, GENERALISATION):
        rgb = np.round(255 * np.array(matplotlib.colors.to_rgb(colour)))
        assert (pixels == rgb).all(axis=-1).sum() > 1000


def test_no_cut_was_good_enough() -> None:
    risks = record(2)
    risks["auto"] = {"blocks": None, "budget": 0.0, "explanation": "no cut"}
    with_none, with_one = BytesIO(), BytesIO()
    draw_risk_map(risks, with_none)
    draw_risk_map(record(2), with_one)
    assert with_none.getvalue() != with_one.getvalue()


def test_the_table_has_every_block_and_cut_once() -> None:
    lines = render_risk_map(record(4)).splitlines()
    assert lines[0] == "mine: 16 models of 50 members each, 30 epochs; defence hamp"
    names = ["stem", "stage1", "stage2", "head", "stem..stage1", "stem..stage2", "stage2..head"]
    starts = [line.split()[0] for line in lines if "rewind  " in line]
    assert starts == [*names, "stage1..head"]
    [stem] = [line.split() for line in lines if line.split()[:1] == ["stem"]]
    assert stem[1:5] == ["10", "rewind", "-0.010", "±0.020"]
    assert stem[-2:] == ["0.800", "±0.020"]
    [unknown] = [line.split() for line in lines if "n/a" in line]
    assert unknown == ["retrain", *["n/a"] * 5]
    assert lines[-1] == "auto: stem: [so] it is"
