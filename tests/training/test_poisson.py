"""Poisson batches: who joins, that padding is nothing, and a naive twin of the step."""

from dataclasses import replace
from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest
from small import BATCH, CE, DATA, INDICES, MODEL, initial, of, own_key, slope, watched

from pptp_jax.data import absent_rows
from pptp_jax.objectives import ConfidencePenalty, LabelSmoothing, Mixup
from pptp_jax.regions import PROTECT, RegionMap
from pptp_jax.training import (
    SGD,
    Checkpoint,
    Execution,
    Phase,
    Poisson,
    Private,
    Recipe,
    Shuffled,
    Trainer,
    dp_sgd,
    make_train,
    same_training,
    train_fleet,
)
from pptp_jax.transforms import RegionClip, private_region_noise

pytestmark = pytest.mark.usefixtures("compile_in_haste")

NOISY = Private(noise_multiplier=1.0, max_norm=0.5, microbatch_size=7)
EVERYTHING = RegionClip(RegionMap.from_rules([(".*", PROTECT)]), PROTECT, 0.5)


def drawn(batches: Poisson, examples: int, batch_size: int, keys: int = 40) -> np.ndarray:
    """Who joins which batch, over the steps of some epochs (steps, examples)."""
    numbers = batches.drawing(examples, batch_size)
    draw = jax.jit(jax.vmap(lambda key: batches.draw(key, examples, numbers)))
    places = np.asarray(draw(jax.random.split(jax.random.key(1), keys)))
    assert places.shape == (keys, numbers.steps, numbers.size)
    joins = np.zeros((keys * numbers.steps, examples), int)
    for step, own in enumerate(places.reshape(-1, numbers.size)):
        np.add.at(joins[step], own[own >= 0], 1)
        assert (own[own < 0] == absent_rows(0)).all()
    assert joins.max() == 1  # nobody twice
    return joins


def test_sizes_and_inclusion_are_binomial() -> None:
    joins = drawn(Poisson(), examples=50, batch_size=10, keys=80)  # 400 steps
    sizes = joins.sum(axis=1)
    edges = binom.cdf(np.arange(51), 50, 0.2)
    ranks = edges[sizes] - np.random.default_rng(0).random(len(sizes)) * binom.pmf(sizes, 50, 0.2)
    assert kstest(ranks, "uniform").pvalue > 1e-3
    counts = joins.sum(axis=0)
    low, high = binom.ppf([1e-5, 1 - 1e-5], 400, 0.2)
    assert (counts >= low).all() and (counts <= high).all()
    together = joins[:, 0] & joins[:, 1]
    assert binom.ppf(1e-5, 400, 0.04) <= together.sum() <= binom.ppf(1 - 1e-5, 400, 0.04)


def test_each_example_has_the_rate_that_it_was_given() -> None:
    rates = np.array([0.0, 1.0, 0.1, 0.6] * 5)
    joins = drawn(Poisson(rate=rates), examples=20, batch_size=5, keys=100)
    counts = joins.sum(axis=0)
    assert (counts[rates == 0] == 0).all() and (counts[rates == 1] == 400).all()
    for rate in (0.1, 0.6):
        low, high = binom.ppf([1e-5, 1 - 1e-5], 400, rate)
        assert ((low <= counts[rates == rate]) & (counts[rates == rate] <= high)).all()
    numbers = Poisson(rate=rates).drawing(20, 5)
    assert numbers.expected == pytest.approx(8.5, rel=1e-6) and numbers.rate == 1


@settings(max_examples=60, deadline=None)
@given(
    examples=st.integers(1, 3000),
    share=st.floats(0.001, 1),
    overflow=st.sampled_from([1e-6, 1e-9, 1e-16]),
    multiple=st.integers(1, 9),
)
def test_the_places_suffice(examples: int, share: float, overflow: float, multiple: int) -> None:
    batch_size = max(1, int(share * examples))
    numbers = Poisson(overflow=overflow).drawing(examples, batch_size, multiple)
    assert numbers.size % multiple == 0 and numbers.rate >= batch_size / examples
    tail = binom.sf(numbers.size - 1, examples, numbers.rate)  # the others alone fill the batch
    assert tail <= overflow or (numbers.size >= examples and numbers.overflow == 0)


def test_a_batch_that_outgrows_its_places_is_cut() -> None:
    short = Poisson(rate=1.0).drawing(8, 2)._replace(size=5)
    places = Poisson(rate=1.0).draw(jax.random.key(0), 8, short)
    np.testing.assert_array_equal(places, np.tile(np.arange(5), (4, 1)))


def clipped_sum(rows: np.ndarray, params: Any) -> Any:
    """NumPy's sum of the gradients of some examples, each of a norm of at most 0.5."""
    total = jax.tree.map(np.zeros_like, params)
    for row in rows:
        grads = jax.tree.map(np.asarray, slope(CE, params, np.array([row]), None, 0))
        norm = np.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(grads)))
        total = jax.tree.map(lambda t, g, n=norm: t + g * min(1, 0.5 / n), total, grads)
    return total


def noise(i: int, step: int, size: int) -> Any:
    """What the aggregation makes of a sum of zeros in a step of the first epoch."""
    _, later = jax.random.split(jax.random.fold_in(own_key(i), 1))
    own, _, _ = jax.random.split(jax.random.fold_in(later, step), 3)
    zeros = jax.tree.map(jnp.zeros_like, initial(i).params)
    tx = private_region_noise(EVERYTHING, 1.0, batch_size=size)
    return tx.update(zeros, tx.init(zeros), key=own)[0]


def test_an_epoch_is_a_naive_loop_over_those_that_joined() -> None:
    """Two steps of SGD with momentum: sums are divided by 20, however many have joined."""
    ours = watched(dp_sgd(NOISY, epochs=1, batches=Poisson()))[1]
    for i in (0, 1):
        params, velocity = initial(i).params, jax.tree.map(np.zeros_like, initial(i).params)
        order, _ = jax.random.split(jax.random.fold_in(own_key(i), 1))
        for step, key in enumerate(jax.random.split(order, 2)):
            joins = np.asarray(jax.random.uniform(key, (40,))) < 0.5
            assert joins.sum() != BATCH
            total = clipped_sum(INDICES[i][joins], params)
            rate = np.float32(0.05 * (1 + np.cos(np.pi * step / 2)))
            velocity = jax.tree.map(
                lambda v, s, n: np.float32(0.9) * v + s / 20 + np.asarray(n),
                velocity,
                total,
                noise(i, step, 20),
            )
            params = jax.tree.map(lambda p, v, r=rate: p - r * v, params, velocity)
        chex.assert_trees_all_close(of(ours, i), params, rtol=1e-3, atol=1e-5)


def test_padding_is_nothing_to_the_last_bit() -> None:
    """Empty places hold the first member, who never joins here; the second is absent."""
    rates = np.array([0.0] + [0.5] * 39)
    recipe = dp_sgd(NOISY, 1, Poisson(rate=rates))
    train = jax.jit(make_train(MODEL, recipe, batch_size=BATCH, places=True))
    x = DATA.x.astype(jnp.float32)
    members = jnp.asarray(INDICES[0]).at[1].set(absent_rows(1))

    def trained(row: int, pixels: float) -> Any:
        data = DATA._replace(x=x.at[row].set(pixels), y=DATA.y.at[row].set(9))
        return train(own_key(0), data, members)

    clean = trained(0, 1.0)
    for row, pixels in [(0, 255.0), (0, np.nan), (1, 255.0), (1, np.nan)]:
        chex.assert_trees_all_equal(trained(row, pixels), clean)
    assert np.isfinite(clean[1].loss).all()
    others = [trained(row, 255.0)[0].params["stem"]["kernel"] for row in (2, 3, 4)]
    assert any((other != clean[0].params["stem"]["kernel"]).any() for other in others)


def test_a_fleet_resumes_to_the_last_bit(tmp_path) -> None:
    first = Phase(epochs=2, objectives=CE, gradient=NOISY, batches=Poisson())
    shuffled = Phase(epochs=1, objectives=CE, gradient=replace(NOISY, microbatch_size=4))
    recipe = Recipe(name="both", phases=(first, shuffled))
    done: list[int] = []

    def trained(stop=lambda: False) -> Any:
        execution = Execution(
            groups=[(0, 1)],
            checkpoint=lambda group: Checkpoint(tmp_path / "fleet", every=0.0),
            on_progress=lambda progress: done.append(progress.epoch),
            stop=stop,
        )
        return next(
            train_fleet(MODEL, recipe, DATA, INDICES, batch_size=BATCH, execution=execution)
        )

    with pytest.raises(KeyboardInterrupt):
        trained(lambda: len(done) == 1)
    resumed = trained()
    assert done == [1, 2, 3]
    chex.assert_trees_all_equal(resumed.variables.params, watched(recipe)[3].params)


def test_devices_and_microbatches_share_the_places() -> None:
    phase = Phase(epochs=1, objectives=CE, gradient=NOISY, batches=Poisson())
    assert Trainer(MODEL, None, BATCH).drawing(phase, 40).size % 7 == 0


def test_rates_must_fit_the_members() -> None:
    recipe = dp_sgd(NOISY, 1, Poisson(rate=np.full(39, 0.5)))
    with pytest.raises(ValueError, match="39 rates for 40 examples: give one for each"):
        watched(recipe)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"gradient": replace(NOISY, noise_multiplier=jnp.float32(1.0))}, False),  # no weak type
        ({"batches": Poisson(rate=np.full(4, 0.5))}, True),
        ({"batches": Poisson(rate=(0.5, 0.5, 0.5, 0.25))}, False),
        ({"batches": Poisson()}, False),
        ({"batches": Shuffled()}, False),
        ({"gradient": replace(NOISY, noise_multiplier=2.0)}, False),
        ({"gradient": replace(NOISY, microbatch_size=None)}, False),
        ({"epochs": 3}, False),
        ({"frozen": (PROTECT,)}, False),
    ],
)
def test_phases_are_the_same_training_by_their_numbers(change: dict, same: bool) -> None:
    phase = Phase(epochs=2, objectives=CE, gradient=NOISY, batches=Poisson(rate=(0.5,) * 4))
    assert same_training(phase, replace(phase, **change)) == same


def test_phases_whose_strengths_are_arrays_can_be_compared() -> None:
    def phase(noise: float) -> Phase:
        return Phase(epochs=2, objectives=CE, gradient=Private(noise_multiplier=jnp.float32(noise)))

    assert same_training(phase(1.0), phase(1.0)) and not same_training(phase(1.0), phase(2.0))


def test_objectives_of_equal_strength_are_not_the_same_training() -> None:
    kinds = (LabelSmoothing(smoothing=0.5), ConfidencePenalty(weight=0.5), Mixup(alpha=0.5))
    phases = [Phase(epochs=2, objectives=kind) for kind in kinds]
    same = [[same_training(one, other) for other in phases] for one in phases]
    assert same == np.eye(3, dtype=bool).tolist()


def test_the_loss_costs_no_pass_of_its_own() -> None:
    modes: list[Any] = []

    def apply(*arguments: Any, train: Any, **options: Any) -> Any:
        modes.append(train)
        return MODEL.apply(*arguments, train=train, **options)

    trainer = Trainer(replace(MODEL, apply=apply), None, BATCH)
    phase = Phase(epochs=1, objectives=CE, gradient=replace(NOISY, microbatch_size=None))
    key, members = own_key(0), jnp.asarray(INDICES[0])
    start = partial(trainer.start, SGD(), phase, None)
    state = jax.eval_shape(start, key, DATA, members, None)
    modes.clear()
    jax.eval_shape(partial(trainer.epoch, SGD(), phase), state, DATA, members, key, 0, 0)
    assert modes == [True]
