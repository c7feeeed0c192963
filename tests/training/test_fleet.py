"""Fleets: the same models however they are grouped, mapped, or interrupted."""

import gc
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pptp_jax.data import Arrays, Balanced, Digits, member_indices
from pptp_jax.models import mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.training import (
    SGD,
    Checkpoint,
    Execution,
    Progress,
    Recipe,
    chunks,
    early_stopped,
    fitting_chunk,
    freeze,
    make_train,
    rewind,
    split,
    train_fleet,
    undefended,
    whole_network,
)

MODEL = mlp([12, 8], num_classes=10)
DATA = Arrays.of(Digits().load(lambda n: np.arange(200)))
INDICES = member_indices(Balanced(4).draw(200, 0).matrix)
RELAX = RelaxLoss(alpha=1.0)
RECIPES = [
    undefended(3),
    early_stopped(1),
    whole_network(RELAX, 3),
    freeze("shallow", after=1, more=2),
    split("stem", RELAX, 3),
    rewind("shallow", RELAX, epochs=1, retrain=2),
]


def trained(recipe: Recipe, seed: int = 0, optimizer=None, **options):
    parts = list(
        train_fleet(
            MODEL,
            recipe,
            DATA,
            INDICES,
            optimizer=optimizer,
            batch_size=50,
            seed=seed,
            execution=Execution(**options),
        )
    )
    assert [i for part in parts for i in part.models] == [0, 1, 2, 3]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *[part[1:] for part in parts])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_fleet_is_the_mapped_training_function(recipe: Recipe) -> None:
    variables, loss, finite = trained(recipe)
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(0), i))(jnp.arange(4))
    train = jax.vmap(make_train(MODEL, recipe, batch_size=50), in_axes=(0, None, 0))
    known, metrics = jax.jit(train)(keys, DATA, jnp.array(INDICES))
    chex.assert_trees_all_close(variables, known, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(loss, metrics.loss, rtol=1e-4)
    assert finite.all()


def test_the_grouping_does_not_matter() -> None:
    together = trained(RECIPES[4])
    for groups in ([(0, 1), (2, 3)], [(0,), (1, 2, 3)]):
        chex.assert_trees_all_close(
            trained(RECIPES[4], groups=groups), together, rtol=1e-4, atol=1e-5
        )


def test_memory_does_not_grow_with_the_models_that_have_been_trained() -> None:
    gc.collect()
    alone = [(model,) for model in range(4)]
    held = [
        sum(array.nbytes for array in jax.live_arrays())
        for _ in train_fleet(
            MODEL, RECIPES[0], DATA, INDICES, batch_size=50, execution=Execution(groups=alone)
        )
    ]
    assert held[-1] <= held[0]


def test_a_seed_changes_every_model() -> None:
    first, second = (trained(RECIPES[1], seed=seed)[0].params for seed in (0, 1))
    kernels = np.concatenate([first["head"]["kernel"], second["head"]["kernel"]])
    assert len({kernel.tobytes() for kernel in kernels}) == 8


class Stopped(Exception):
    pass


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_an_interrupted_group_goes_on_bit_for_bit(tmp_path: Path, epoch: int) -> None:
    recipe, groups = RECIPES[5], [(0, 1), (2, 3)]

    def checkpoint(group: tuple[int, ...]) -> Checkpoint:
        return Checkpoint(tmp_path / str(group[0]), every=0.0)

    def stop(progress: Progress) -> None:
        if progress.models == 2 and progress.epoch == epoch:
            raise Stopped

    with pytest.raises(Stopped):
        trained(recipe, groups=groups, checkpoint=checkpoint, on_progress=stop)
    told: list[Progress] = []
    resumed = trained(recipe, groups=groups, checkpoint=checkpoint, on_progress=told.append)
    # The first group had ended and starts from its last epoch; the second from before the stop.
    assert [now.epoch for now in told if now.models == 2] == list(range(epoch, 4))
    chex.assert_trees_all_equal(resumed, trained(recipe, groups=groups))


def test_a_requested_stop_saves_the_state(tmp_path: Path) -> None:
    told: list[Progress] = []
    options = {
        "checkpoint": lambda _: Checkpoint(tmp_path / "c", every=3600.0),
        "on_progress": told.append,
    }
    with pytest.raises(KeyboardInterrupt):
        trained(RECIPES[0], stop=lambda: told[-1].epoch == 2, **options)
    resumed = trained(RECIPES[0], **options)
    assert [now.epoch for now in told] == [1, 2, 3]
    chex.assert_trees_all_equal(resumed, trained(RECIPES[0]))


def test_divergence_is_reported_model_by_model() -> None:
    poisoned = DATA._replace(x=DATA.x.astype(jnp.float32).at[INDICES[1, 0]].set(jnp.nan))
    parts = list(train_fleet(MODEL, undefended(2), poisoned, INDICES, batch_size=50))
    holds = (INDICES == INDICES[1, 0]).any(axis=1)
    assert 0 < holds.sum() < 4
    # The last batch is left out, so an epoch may pass it by, but not two of all members.
    np.testing.assert_array_equal(parts[0].finite, ~holds)


def test_progress_counts_models_and_epochs() -> None:
    told: list[Progress] = []
    trained(RECIPES[3], groups=[(0, 1, 2), (3,)], on_progress=told.append)
    seen = [(now.models, now.training, now.epoch) for now in told]
    assert seen == [(0, 3, 1), (0, 3, 2), (0, 3, 3), (3, 1, 1), (3, 1, 2), (3, 1, 3)]
    assert all(0 < now.loss < 5 for now in told)


@pytest.mark.parametrize(("models", "size"), [(16, 16), (16, 5), (7, 3), (1, 4)])
def test_chunks_are_even_and_complete(models: int, size: int) -> None:
    groups = chunks(models, size)
    assert [i for group in groups for i in group] == list(range(models))
    lengths = [len(group) for group in groups]
    assert max(lengths) <= size and max(lengths) - min(lengths) < max(2, len(groups))


def test_a_chunk_fits_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitting_chunk(MODEL, DATA, 50, models=1000)
    assert whole == 1000
    monkeypatch.setattr("pptp_jax.training.memory._memory", lambda: 2_000_000)
    few = fitting_chunk(MODEL, DATA, 50, models=1000)
    assert 1 < few < 100
    # What the compiler plans for that many models stays below what they were allowed.
    big = mlp([64], num_classes=10)
    number = fitting_chunk(big, DATA, 50, models=1000)
    step = jax.jit(jax.vmap(make_train(big, undefended(1), batch_size=50), (0, None, 0)))
    keys = jax.random.split(jax.random.key(0), number)
    members = jnp.zeros((number, 100), jnp.int32)
    plan = step.lower(keys, DATA, members).compile().memory_analysis()
    assert plan.temp_size_in_bytes + plan.output_size_in_bytes < 2_000_000
    monkeypatch.setattr("pptp_jax.training.memory._memory", lambda: 1)
    assert fitting_chunk(MODEL, DATA, 50, models=1000) == 1


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="100 members, too few for one batch of 101"):
        next(train_fleet(MODEL, undefended(1), DATA, INDICES, batch_size=101))
    with pytest.raises(ValueError, match="'steem' is unknown; did you mean 'stem'"):
        next(train_fleet(MODEL, freeze("steem", 1, 1), DATA, INDICES))


def test_weight_decay_and_an_optimiser_of_the_users_own_reach_the_fleet() -> None:
    plain = trained(undefended(1))[0].params["head"]["kernel"]
    decayed = trained(undefended(1), optimizer=SGD(weight_decay=0.1))[0].params["head"]["kernel"]
    assert np.abs(decayed).mean() < np.abs(plain).mean()
    gentle = trained(undefended(1), optimizer=lambda steps: optax.sgd(1e-9))[0].params
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 3), 0)
    initial = MODEL.init(key, DATA.inputs(slice(0, 1))).params
    np.testing.assert_allclose(gentle["head"]["kernel"][3], initial["head"]["kernel"], atol=1e-6)
