"""Recipes that take a region back share their trunk with those that do not, bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptp_jax.data import Balanced, Digits, member_indices
from pptp_jax.fleets import FleetSpec, Runtime, fingerprint, run_fleet, run_fleets
from pptp_jax.fleets.shared_phases import plan_sharing
from pptp_jax.models import mlp
from pptp_jax.training import Recipe, Strategy, annealed, restored

DATA = Digits().load(lambda n: np.arange(120))
MEMBERS = member_indices(Balanced(4).draw(120, 0).matrix)
MODEL = mlp([8], num_classes=10)
SCAN = Strategy(order="scan")
RECIPES = (
    annealed(4, anneal=1),
    restored(4, to=1, more=1, region="head"),
    restored(4, to=2, more=1, region="head"),
    annealed(restored(3, to=2, more=1, region="head"), anneal=1),
    annealed(restored(3, to=2, more=1, region="head"), anneal=2),
)


def spec_of(recipe: Recipe) -> FleetSpec:
    signals = MODEL.task.signals
    settings: Any = {"model": MODEL, "data": DATA, "members": MEMBERS, "signals": signals}
    return FleetSpec(recipe=recipe, batch_size=30, stops=(3,), **settings)


SPECS = [spec_of(recipe) for recipe in RECIPES]
KEYS = [fingerprint(spec) for spec in SPECS]


def contents(home: Path) -> dict[str, np.ndarray]:
    return {str(path.relative_to(home)): np.load(path) for path in home.rglob("after-*/*.npy")}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, np.ndarray]]:
    found = []
    for spec, key in zip(SPECS, KEYS, strict=True):
        home = tmp_path_factory.mktemp("alone")
        run_fleet(spec, home, Runtime(strategy=SCAN), key=key)
        found.append(contents(home))
    return found


def test_each_recipe_is_a_fleet_of_its_own(alone: list[dict[str, np.ndarray]]) -> None:
    assert len({*KEYS}) == len(KEYS)
    ends = [next(a for name, a in c.items() if "after-5/confidence" in name) for c in alone[:3]]
    assert not np.array_equal(ends[0], ends[1]) and not np.array_equal(ends[1], ends[2])


def test_earlier_fleets_leave_the_epochs_that_later_ones_go_back_to() -> None:
    sharing = plan_sharing(SPECS, [Path(spec.recipe.slug) for spec in SPECS])
    assert sharing[0].left == {1, 2, 3, 4}
    assert [[(t.epochs, t.kept) for t in own.trunks] for own in sharing] == [
        [],
        [(4, (1,))],
        [(4, (2,)), (4, (2,))],
        [(3, (2,))] * 3,
        [(4, ()), *[(3, (2,))] * 3],  # behind the phase that went back nothing is kept
    ]


# Not at all; in the trunk before, at and behind the kept epochs; within the branches.
@pytest.mark.parametrize("stop_after", [None, 1, 3, 6])
def test_one_trunk_is_trained_once_bit_for_bit(
    tmp_path: Path, alone: list[dict[str, np.ndarray]], stop_after: int | None
) -> None:
    places = [tmp_path / recipe.slug for recipe in RECIPES]
    seen: list[tuple[str, int]] = []

    def run(stop_after: int | None = None) -> None:
        runtime = Runtime(
            strategy=SCAN,
            on_progress=lambda recipe, now: seen.append((recipe.slug, now.epoch)),
            stop=lambda: len(seen) == stop_after,
        )
        run_fleets(SPECS, places, runtime, keys=KEYS)

    if stop_after is not None:
        with pytest.raises(KeyboardInterrupt):
            run(stop_after)
    run()
    by_recipe = [[epoch for slug, epoch in seen if slug == r.slug] for r in RECIPES]
    assert by_recipe == [[1, 2, 3, 4, 5], [5], [5], [4, 5], [5, 6]]
    for home, known in zip(places, alone, strict=True):
        found = contents(home)
        assert found.keys() == known.keys()
        for name, array in known.items():
            np.testing.assert_array_equal(found[name], array, err_msg=f"{home.name}/{name}")
        assert not [*home.glob("branch-*")]
