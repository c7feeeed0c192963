"""Phases that recipes begin with alike are trained once, and nothing of a fleet shows it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pptp_jax.data import Balanced, Digits, member_indices
from pptp_jax.fleets import FleetSpec, Runtime, fingerprint, run_fleet, run_fleets
from pptp_jax.fleets.shared_phases import shared_phases
from pptp_jax.models import mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.training import (
    Recipe,
    Strategy,
    early_stopped,
    freeze,
    freeze_in_turn,
    rewind,
    split,
    switch,
    undefended,
)

DATA = Digits().load(lambda n: np.arange(120))
MEMBERS = member_indices(Balanced(4).draw(120, 0).matrix)
RELAX = RelaxLoss(alpha=1.0)
RECIPES = (
    early_stopped(2),
    freeze("shallow", after=2, more=1),
    switch(RELAX, after=2, more=1),
    undefended(3),
)
SCAN = Strategy(order="scan")


def spec_of(recipe: Recipe, **change: object) -> FleetSpec:
    settings = {"model": MODEL, "data": DATA, "members": MEMBERS, "batch_size": 30, "stops": (1, 2)}
    return FleetSpec(recipe=recipe, signals=MODEL.task.signals, **(settings | change))


MODEL = mlp([8], num_classes=10)
SPECS = [spec_of(recipe) for recipe in RECIPES]
KEYS = [fingerprint(spec) for spec in SPECS]


def homes(out: Path) -> list[Path]:
    return [out / recipe.slug for recipe in RECIPES]


class Epochs(list):
    """The epochs of each recipe as they are trained, and a stop after some of them."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.said: list[str] = []
        self.ended: list[tuple[str, int]] = []  # the recipes, and how many epochs were trained
        self.stop_after = stop_after

    def runtime(self) -> Runtime:
        return Runtime(
            strategy=SCAN,
            on_progress=lambda recipe, now: self.append((recipe.slug, now.epoch)),
            on_fleet=lambda recipe, fleet: self.ended.append((recipe.slug, len(self))),
            stop=lambda: len(self) == self.stop_after,
            log=self.said.append,
        )


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


def assert_same(out: Path, alone: list[dict[str, np.ndarray]]) -> None:
    for home, known in zip(homes(out), alone, strict=True):
        found = contents(home)
        assert found.keys() == known.keys()
        for name, array in known.items():
            np.testing.assert_array_equal(found[name], array, err_msg=f"{home.name}/{name}")
        assert not [*home.glob("branch-*")]


def test_shared_phases_are_trained_once_bit_for_bit(tmp_path: Path, alone) -> None:
    epochs = Epochs()
    fleets = run_fleets(SPECS, homes(tmp_path), epochs.runtime(), keys=KEYS)
    assert [max(fleet) for fleet in fleets] == [2, 3, 3, 3]
    by_recipe = [[e for slug, e in epochs if slug == recipe.slug] for recipe in RECIPES]
    assert by_recipe == [[1, 2], [3], [3], [1, 2, 3]]
    slugs = [recipe.slug for recipe in RECIPES]
    assert epochs.ended == list(zip(slugs, [2, 3, 4, 7], strict=True))
    shared = [said for said in epochs.said if "trained once" in said]
    assert len(shared) == 2 and "first phase is that of early_stopped_2" in shared[0]
    assert_same(tmp_path, alone)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path: Path, alone, stop_after: int) -> None:
    first = Epochs(stop_after)
    with pytest.raises(KeyboardInterrupt):
        run_fleets(SPECS, homes(tmp_path), first.runtime(), keys=KEYS)
    second = Epochs()
    run_fleets(SPECS, homes(tmp_path), second.runtime(), keys=KEYS)
    assert len(first) + len(second) == 7
    assert [slug for slug, _ in second.ended] == [recipe.slug for recipe in RECIPES]
    assert_same(tmp_path, alone)


def test_a_fleet_that_was_grouped_otherwise_trains_by_itself(tmp_path: Path) -> None:
    """A network's last bits depend on its neighbours."""
    specs, places = SPECS[:2], homes(tmp_path)[:2]
    run_fleet(specs[1], places[1], Runtime(strategy=Strategy(order="vmap")), key=KEYS[1])
    for store in places[1].glob("after-*"):
        (store / "manifest.json").unlink()
    epochs = Epochs()
    run_fleets(specs, places, epochs.runtime(), keys=KEYS[:2])
    assert [e for slug, e in epochs if slug == RECIPES[1].slug] == [1, 2, 3]


def test_how_much_is_shared() -> None:
    def shared(one: Recipe, other: Recipe, **change: object) -> int:
        return shared_phases(spec_of(one), spec_of(other, **change))

    frozen = freeze("stem", after=2, more=4)
    assert shared(frozen, freeze("shallow", after=2, more=8)) == 1
    assert shared(frozen, freeze("stem", after=2, more=4)) == 2
    assert shared(frozen, freeze("stem", after=3, more=4)) == 0
    assert shared(frozen, switch(RELAX, after=2, more=4)) == 1
    assert shared(frozen, early_stopped(2)) == 1
    assert shared(undefended(30), early_stopped(2)) == 0  # another schedule
    in_turn = freeze_in_turn({"stem": 1}, epochs=3)
    assert shared(in_turn, early_stopped(1)) == 1
    split_stem, split_head = (split(region, RELAX, 3) for region in ("stem", "head"))
    assert shared(split_stem, split_head) == 0
    again = rewind("stem", RELAX, 3, retrain=1), rewind("stem", RELAX, 3, retrain=2)
    assert shared(*again) == 1
    for change in (
        {"seed": 1},
        {"batch_size": 20},
        {"model": mlp([9], num_classes=10)},
        {"stops": ()},
        {"members": MEMBERS[::-1]},
        {"data": replace(DATA, x=DATA.x + 1)},
    ):
        assert shared(frozen, early_stopped(2), **change) == 0
    assert len({fingerprint(spec) for spec in SPECS}) == len(SPECS)
