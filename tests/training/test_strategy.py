"""Strategies: the same models in whatever order, and on however many devices, they are trained."""

import re
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Balanced, Digits, member_indices
from pptp_jax.models import mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.training import (
    SGD,
    Checkpoint,
    Execution,
    Progress,
    Strategy,
    fitting_chunk,
    needed_memory,
    rewind,
    train_fleet,
    undefended,
    usual_strategy,
)
from pptp_jax.training.batched_programs import GroupRules, epoch_of_group, start_group
from pptp_jax.training.trainer import Trainer

MODEL = mlp([12, 8], num_classes=10)
DATA = Arrays.of(Digits().load(lambda n: np.arange(200)))
INDICES = member_indices(Balanced(6).draw(200, 0).matrix)
RECIPE = rewind("shallow", RelaxLoss(alpha=1.0), epochs=1, retrain=1)
GROUPS = [(0, 1, 2, 3), (4, 5)]
STRATEGIES = [
    Strategy(),
    Strategy(order="scan"),
    Strategy(order="unrolled"),
    Strategy(devices=2),
    Strategy(order="scan", devices=4),
    Strategy(devices=3),
]


def trained(strategy: Strategy | None, **options):
    execution = Execution(groups=GROUPS, strategy=strategy, **options)
    found = train_fleet(MODEL, RECIPE, DATA, INDICES, batch_size=50, execution=execution)
    parts = list(found)
    assert [part.models for part in parts] == GROUPS
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *[part[1:] for part in parts])


@pytest.fixture(scope="module")
def usual():
    return trained(None)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_the_strategy_does_not_matter(strategy: Strategy, usual) -> None:
    seen: list[tuple[int, ...]] = []
    before = epoch_of_group._cache_size()
    found = trained(strategy, on_epoch=lambda group, epoch, variables: seen.append(
        (*group, epoch, len(variables.params["head"]["bias"]))
    ))  # fmt: skip
    # Two phases of different structure, and no more programs for the smaller group.
    assert epoch_of_group._cache_size() - before <= 2
    assert seen == [(*group, epoch, len(group)) for group in GROUPS for epoch in (1, 2)]
    chex.assert_trees_all_close(found, usual, rtol=1e-4, atol=1e-5)


def test_devices_exchange_nothing() -> None:
    strategy, trainer = Strategy(devices=4), Trainer(MODEL, None, 50)
    [phase] = undefended(2).phases
    keys = strategy.place(jax.vmap(jax.random.key)(jnp.arange(4)), 0)
    members = strategy.place(jnp.asarray(INDICES[:4]), 0)
    data = strategy.place(DATA, None)
    rules = GroupRules(trainer, SGD(), strategy)
    state = start_group(rules, phase, None, keys, data, members, None)
    lowered = epoch_of_group.lower(rules, phase, state, data, members, keys, 0, 0)
    program = lowered.compile().as_text()
    assert "num_partitions=4" in program
    assert not re.findall(r"all-(?:reduce|gather|to-all)|collective-permute", program)


def test_an_interrupted_fleet_goes_on_with_fewer_devices(tmp_path: Path, usual) -> None:
    class Stopped(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.models == 4:  # in the smaller group, which copies fill up
            raise Stopped

    def checkpoint(group: tuple[int, ...]) -> Checkpoint:
        return Checkpoint(tmp_path / str(group[0]), every=0.0)

    with pytest.raises(Stopped):
        trained(Strategy(devices=4), checkpoint=checkpoint, on_progress=stop)
    assert checkpoint(GROUPS[0]).latest() == 2
    told: list[Progress] = []
    found = trained(Strategy(order="scan"), checkpoint=checkpoint, on_progress=told.append)
    assert [(now.models, now.epoch) for now in told] == [(4, 1), (4, 2)]
    chex.assert_trees_all_close(found, usual, rtol=1e-4, atol=1e-5)


def test_one_after_another_needs_less_memory() -> None:
    deep = mlp([4] * 50, num_classes=10)
    wide = Arrays.of(Digits().load())
    fit = [
        fitting_chunk(deep, wide, 10**5, 10**9, strategy=strategy) for strategy in STRATEGIES[:2]
    ]
    assert fit[1] > 100 * fit[0]


@pytest.mark.parametrize("order", ["vmap", "scan"])
@pytest.mark.parametrize("devices", [{}, {"data_devices": 4}, {"devices": 2, "data_devices": 2}])
def test_what_fits_is_what_is_needed(
    order: str, devices: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pptp_jax.training.memory._memory", lambda: 2 * 10**6)
    one = mlp([16], num_classes=10), Arrays.of(Digits().load()), 64
    strategy = Strategy(order=order, **devices)
    fit = fitting_chunk(*one, 10**4, strategy=strategy)
    fitting, more = (needed_memory(*one, fit + i, strategy=strategy) for i in (0, 1))
    assert 1 < fit and fitting <= 10**6 < more


@pytest.mark.parametrize("order", ["vmap", "scan"])
def test_devices_that_are_not_there_have_a_memory_of_their_own(order: str) -> None:
    one = mlp([16], num_classes=10), Arrays.of(Digits().load()), 64
    alone, four = (Strategy(order=order, devices=devices) for devices in (1, 4))
    fit = fitting_chunk(*one, 10**4, strategy=alone, device_memory=2 * 10**6)
    fitting, more = (needed_memory(*one, fit + i, strategy=alone) for i in (0, 1))
    assert 1 < fit and fitting <= 10**6 < more
    spread = fitting_chunk(*one, 10**4, strategy=four, device_memory=2 * 10**6)
    assert 4 * fit <= spread < 4 * (fit + 1)


def test_devices_that_share_a_model_need_a_copy_each_and_share_the_rest() -> None:
    one = mlp([16], num_classes=10), Arrays.of(Digits().load()), 64

    def need(data_devices: int, models: int) -> int:
        strategy = Strategy(order="scan", data_devices=data_devices)
        return needed_memory(*one, models, strategy=strategy)

    parameters = 4 * (64 * 16 + 16 + 16 * 10 + 10)
    assert need(1, 3) - need(1, 2) == 4 * parameters
    assert need(4, 3) - need(4, 2) == 4 * 4 * parameters
    # But for what has no axis of the batch.
    assert need(1, 0) <= need(4, 0) < 1.02 * need(1, 0)


def test_the_usual_strategy_of_a_cpu() -> None:
    assert usual_strategy() == Strategy(order="scan")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"order": "pmap"}, "order 'pmap' is unknown; did you mean 'vmap'"),
        ({"devices": 0}, "devices must be an integer of at least 1, got 0"),
        ({"devices": 9}, "devices must be at most the 8 of this process, got 9"),
    ],
)
def test_bad_strategies(given, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Strategy(**given)
