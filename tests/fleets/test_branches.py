"""Early stops with an anneal of their own are branches of one trunk, bit for bit."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optax
import pytest
import small_fleets

from pptp_jax.data import Balanced, Digits, member_indices
from pptp_jax.fleets import FleetSpec, Runtime, fingerprint, run_fleet, run_fleets
from pptp_jax.fleets.shared_phases import branching
from pptp_jax.models import mlp
from pptp_jax.objectives import Mixup
from pptp_jax.training import (
    SGD,
    Recipe,
    Strategy,
    annealed,
    decay,
    early_stopped,
    freeze,
    undefended,
    whole_network,
)

DATA = Digits().load(lambda n: np.arange(120))
MEMBERS = member_indices(Balanced(4).draw(120, 0).matrix)
MODEL = mlp([8], num_classes=10)
SCAN = Strategy(order="scan")
RECIPES = (
    annealed(4, anneal=1),
    annealed(2, anneal=2),
    annealed(3, anneal=1, region="shallow"),
    annealed(freeze("shallow", after=2, more=1), anneal=1),
)


def spec_of(recipe: Recipe, **change: Any) -> FleetSpec:
    settings = {"model": MODEL, "data": DATA, "members": MEMBERS, "batch_size": 30, "stops": (1, 3)}
    return FleetSpec(recipe=recipe, signals=MODEL.task.signals, **(settings | change))


SPECS = [spec_of(recipe) for recipe in RECIPES]
KEYS = [fingerprint(spec) for spec in SPECS]


def contents(home: Path) -> dict[str, np.ndarray]:
    return {str(path.relative_to(home)): np.load(path) for path in home.rglob("after-*/*.npy")}


def assert_same(home: Path, known: dict[str, np.ndarray]) -> None:
    found = contents(home)
    assert found.keys() == known.keys()
    for name, array in known.items():
        np.testing.assert_array_equal(found[name], array, err_msg=f"{home.name}/{name}")
    assert not [*home.glob("branch-*")]


def runtime(seen: list[tuple[str, int]], stop_after: int | None = None) -> Runtime:
    return Runtime(
        strategy=SCAN,
        on_progress=lambda recipe, now: seen.append((recipe.slug, now.epoch)),
        stop=lambda: len(seen) == stop_after,
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, np.ndarray]]:
    found = []
    for spec, key in zip(SPECS, KEYS, strict=True):
        home = tmp_path_factory.mktemp("alone")
        run_fleet(spec, home, Runtime(strategy=SCAN), key=key)
        found.append(contents(home))
    return found


def test_one_trunk_is_trained_once_bit_for_bit(tmp_path: Path, alone) -> None:
    places = [tmp_path / recipe.slug for recipe in RECIPES]
    seen: list[tuple[str, int]] = []
    said: list[str] = []
    run_fleets(SPECS, places, replace(runtime(seen), log=said.append), keys=KEYS)
    by_recipe = [[epoch for slug, epoch in seen if slug == r.slug] for r in RECIPES]
    # The last one shares two epochs, as its region is frozen from then on.
    assert by_recipe == [[1, 2, 3, 4, 5], [3, 4], [4], [3, 4]]
    shared = [sentence for sentence in said if "trained once" in sentence]
    assert "first 2 epochs are those of annealed_4+1" in shared[0]
    for home, known in zip(places, alone, strict=True):
        assert_same(home, known)


def test_workers_branch_off_a_trunk_that_workers_trained(tmp_path: Path) -> None:
    specs = [small_fleets.spec_of(annealed(stop, anneal=1)) for stop in (3, 2)]
    found, said = [], []
    with ThreadPoolExecutor(2) as executor:
        for pool, log in ((None, lambda sentence: None), (executor, said.append)):
            places = [tmp_path / str(pool is None) / spec.recipe.slug for spec in specs]
            run_fleets(specs, places, small_fleets.runtime(pool, log=log))
            found.append([contents(home) for home in places])
    for one, other in zip(*found, strict=True):
        assert one.keys() == other.keys() and len(one) > 4
        for name, array in one.items():
            np.testing.assert_array_equal(other[name], array, err_msg=name)
    assert sum("first 2 epochs are those of annealed_3+1" in sentence for sentence in said) == 3, (
        said
    )
    run_fleet(specs[1], tmp_path / "alone", small_fleets.runtime())
    assert_same(tmp_path / "False" / specs[1].recipe.slug, contents(tmp_path / "alone"))


def test_a_trunk_of_mixup_has_branches(tmp_path: Path) -> None:
    long, short = (annealed(whole_network(Mixup(alpha=0.4), n), anneal=1) for n in (3, 2))
    specs = [spec_of(long), spec_of(short)]
    places, seen = [tmp_path / "long", tmp_path / "short"], []
    run_fleets(specs, places, runtime(seen))
    assert seen == [(long.slug, 1), (long.slug, 2), (long.slug, 3), (long.slug, 4), (short.slug, 3)]
    run_fleet(specs[1], tmp_path / "alone", Runtime(strategy=SCAN))
    assert_same(places[1], contents(tmp_path / "alone"))


# In the trunk before and behind the branches, and in the branches themselves.
@pytest.mark.parametrize("stop_after", [1, 3, 6, 8])
def test_an_interrupted_trunk_goes_on_bit_for_bit(tmp_path: Path, alone, stop_after) -> None:
    places = [tmp_path / recipe.slug for recipe in RECIPES]
    first: list[tuple[str, int]] = []
    second: list[tuple[str, int]] = []
    with pytest.raises(KeyboardInterrupt):
        run_fleets(SPECS, places, runtime(first, stop_after), keys=KEYS)
    run_fleets(SPECS, places, runtime(second), keys=KEYS)
    assert len(first) + len(second) == 5 + 2 + 1 + 2
    for home, known in zip(places, alone, strict=True):
        assert_same(home, known)


def test_a_shorter_trunk_that_comes_first_shares_nothing(tmp_path: Path, alone) -> None:
    seen: list[tuple[str, int]] = []
    order = [1, 0]
    places = [tmp_path / RECIPES[i].slug for i in order]
    run_fleets([SPECS[i] for i in order], places, runtime(seen), keys=[KEYS[i] for i in order])
    assert len(seen) == 4 + 5
    for home, i in zip(places, order, strict=True):
        assert_same(home, alone[i])


def test_a_recipe_may_end_within_the_trunk(tmp_path: Path) -> None:
    """With an optimiser that knows no length, early stopping is a stop on the way."""
    tx = optax.sgd(0.1, momentum=0.9)
    specs = [spec_of(r, optimizer=tx) for r in (undefended(4), early_stopped(2))]
    places, seen = [tmp_path / "long", tmp_path / "short"], []
    run_fleets(specs, places, runtime(seen))
    assert [slug for slug, _ in seen] == ["undefended_4"] * 4
    run_fleet(specs[1], tmp_path / "alone", Runtime(strategy=SCAN))
    assert_same(places[1], contents(tmp_path / "alone"))


def test_how_much_is_a_branch() -> None:
    def shared(one: Recipe, other: Recipe, **change: Any) -> tuple[int, int]:
        return branching(spec_of(one, **change), spec_of(other, **change))

    long = annealed(8, anneal=3)
    assert shared(long, annealed(8, anneal=2)) == (1, 8)
    assert shared(long, annealed(5, anneal=3)) == (1, 5)
    assert shared(annealed(5, anneal=3), long) == (0, 0)
    assert shared(long, annealed(5, region="shallow")) == (1, 5)
    assert shared(long, annealed(decay(5, 0.1))) == (0, 0)
    assert shared(annealed(decay(8, 0.1)), annealed(decay(5, 0.1))) == (1, 5)
    assert shared(annealed(decay(8, 0.1, "stem")), annealed(decay(5, 0.1, "head"))) == (0, 0)
    assert shared(annealed(decay(8, 0.1, "stem")), annealed(decay(5, 0.1, "stem"))) == (1, 5)
    mixed = [annealed(whole_network(Mixup(alpha=a), n)) for a, n in ((0.4, 8), (0.4, 5), (1.0, 5))]
    assert shared(*mixed[:2]) == (1, 5)
    assert shared(mixed[0], mixed[2]) == (0, 0)
    # The anneal depends on its length, as the cosine of plain training does.
    assert shared(annealed(8, anneal=3), annealed(8, anneal=4)) == (1, 8)
    assert shared(undefended(8), undefended(5)) == (0, 0)
    constant = SGD(schedule="constant")
    assert shared(undefended(8), undefended(5), optimizer=constant) == (1, 5)
    assert shared(undefended(8), undefended(5), optimizer=lambda steps: optax.sgd(0.1)) == (0, 0)
    frozen = [freeze("stem", after=2, more=more) for more in (6, 3)]
    assert shared(*map(annealed, frozen)) == (2, 5)
    assert branching(spec_of(long), spec_of(annealed(5), seed=1)) == (0, 0)
