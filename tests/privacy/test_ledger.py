"""Ledger: what is not said is not private."""

import pytest

from pptp_jax.privacy import Ledger, PoissonSampling
from pptp_jax.regions import RegionMap
from pptp_jax.transforms import RegionClip

REGIONS = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
SAMPLING = PoissonSampling(rate=0.01, steps=10)
PRIVATE = {
    "region_map": REGIONS,
    "noised": ("protect",),
    "frozen": ("general",),
    "statistics": "none",
    "noise_multiplier": 1.0,
    "sampling": SAMPLING,
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"statistics": "frozen"},
        {"noised": ("protect", "general"), "frozen": ()},
        {"noised": (), "frozen": ("protect", "general"), "sampling": None},
    ],
)
def test_a_run_whose_every_part_is_accounted_for_has_no_obstacle(change):
    assert Ledger(**{**PRIVATE, **change}).obstacles == ()


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [
        ({"frozen": (), "clear": ("general",)}, "region 'general' was trained in the clear"),
        ({"frozen": ()}, "the treatment of region 'general' is unknown"),
        ({"statistics": None}, "the treatment of the running statistics is unknown"),
        ({"statistics": "clear"}, "the running statistics are averages over private batches"),
        ({"noise_multiplier": None}, "the noise multiplier is unknown"),
        ({"noise_multiplier": 0.0}, "a noise multiplier of 0 adds no noise"),
        ({"sampling": None}, "the sampling of the batches is unknown"),
    ],
)
def test_each_gap_is_an_obstacle_of_its_own(change, obstacle):
    (reason,) = Ledger(**{**PRIVATE, **change}).obstacles
    assert reason.startswith(obstacle)


def test_all_obstacles_are_listed_at_once():
    assert len(Ledger(region_map=REGIONS).obstacles) == 3
    assert len(Ledger(region_map=REGIONS, noised=("protect",)).obstacles) == 4


def test_the_ledger_of_an_aggregation_puts_the_rest_in_the_clear():
    clip = RegionClip(REGIONS, "protect", 1.0)
    ledger = Ledger.of(clip, noise_multiplier=2.0, sampling=SAMPLING, statistics="none")
    assert ledger == Ledger(
        **{**PRIVATE, "frozen": (), "clear": ("general",), "noise_multiplier": 2.0}
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clear": ("general",)}, "general has two: noised .*frozen .*clear"),
        ({"noised": ("protekt",)}, "region 'protekt' is unknown; did you mean 'protect'"),
        ({"noise_multiplier": float("nan")}, "noise_multiplier must be a finite number.*got nan"),
        ({"statistics": "some"}, "statistics 'some' is unknown.*'none', 'frozen', 'clear'"),
    ],
)
def test_a_contradiction_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Ledger(**{**PRIVATE, **change})
