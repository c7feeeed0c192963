"""The figure and the table of a risk map, from a record alone."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import matplotlib.colors
import numpy as np
import pytest
from PIL import Image

from pptp_jax.report import draw_risk_map, render_risk_map
from pptp_jax.report.risk_map import GENERALISATION, PRIVACY

RiskRecord = Callable[[int], dict[str, Any]]


@pytest.mark.parametrize(("blocks", "by"), [(2, "retrain"), (12, "rewind_early")])
def test_the_figure_is_drawn(blocks: int, by: str, risk_record: RiskRecord) -> None:
    file = BytesIO()
    draw_risk_map(risk_record(blocks), file, by=by)
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[1] > 150 * blocks
    for colour in (PRIVACY, GENERALISATION):
        rgb = np.round(255 * np.array(matplotlib.colors.to_rgb(colour)))
        assert (pixels == rgb).all(axis=-1).sum() > 1000


def test_the_figure_shows_the_choice_and_the_attack(risk_record: RiskRecord) -> None:
    risks = risk_record(2)
    risks["auto"] = {"blocks": None, "budget": 0.0, "explanation": "no cut"}
    with_none, with_one, of_loss = BytesIO(), BytesIO(), BytesIO()
    draw_risk_map(risks, with_none)
    draw_risk_map(risk_record(2), with_one)
    draw_risk_map(risk_record(2), of_loss, attack="loss")
    assert len({file.getvalue() for file in (with_none, with_one, of_loss)}) == 3


def test_the_table_has_every_block_and_cut_once(risk_record: RiskRecord) -> None:
    lines = render_risk_map(risk_record(4)).splitlines()
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
