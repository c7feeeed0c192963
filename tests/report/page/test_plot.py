"""Axes: where numbers lie, and which of them are written."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.report.page.plot import Scale, around, steps


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_a_handful_of_round_numbers_in_their_places(low: float, length: float) -> None:
    scale = Scale(low=low, high=low + length, start=48, end=388)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 7
    values = [float(tick.text.replace("−", "-")) for tick in ticks]
    gaps = [b - a for a, b in pairwise(values)]
    assert max(gaps) == pytest.approx(min(gaps), rel=1e-3, abs=1e-3 * length)
    for tick, value in zip(ticks, values, strict=True):
        assert 48 <= tick.at <= 388
        expected = 48 + 340 * (value - low) / length
        assert tick.at == pytest.approx(expected, abs=0.2 + 340 * 1e-5 * abs(value) / length)


@given(st.floats(1e-6, 0.09))
def test_every_power_of_ten_of_a_rate(low: float) -> None:
    scale = Scale(low=low, high=1, start=300, end=0, log=True, percent=True)
    ticks = scale.ticks()
    assert [tick.text for tick in ticks][-2:] == ["10 %", "100 %"]
    assert ticks[-1].at == 0
    assert len(ticks) == math.floor(-math.log10(low) + 1e-9) + 1
    assert scale(math.sqrt(low)) == pytest.approx(150, abs=0.1)


def test_what_lies_outside_is_put_at_the_edge() -> None:
    scale = Scale(low=0.01, high=1, start=0, end=100, log=True)
    assert (scale(0.0), scale(0.1), scale(7.0)) == (0, 50, 100)


def test_integers_alone() -> None:
    scale = Scale(low=-0.5, high=2.5, start=0, end=300, whole=True)
    assert [tick.text for tick in scale.ticks()] == ["0", "1", "2"]


def test_there_is_room_around_a_single_value() -> None:
    low, high = around([0.5])
    assert low < 0.5 < high and high - low == pytest.approx(0.02)


def test_a_histogram_is_closed_along_its_foot() -> None:
    x = Scale(low=0, high=2, start=0, end=200)
    y = Scale(low=0, high=1, start=100, end=0)
    outline = steps(x, y, [0.0, 1.0, 2.0], [0.5, 1.0])
    assert outline == "0,100 0,50 100,50 100,0 200,0 200,100"
