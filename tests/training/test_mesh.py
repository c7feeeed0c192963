"""One model on several devices that share its batches: the numbers of one device."""

import re

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Augmentation, Balanced, Digits, member_indices
from pptp_jax.models import Model, cnn, from_linen, mlp
from pptp_jax.objectives import AdversarialRegularisation, MixupMMD
from pptp_jax.training import (
    SGD,
    Execution,
    Poisson,
    Private,
    Recipe,
    Strategy,
    dp_sgd,
    make_train,
    train_fleet,
    undefended,
    whole_network,
)
from pptp_jax.training.batched_programs import GroupRules, epoch_of_group, start_group
from pptp_jax.training.mesh import on_every_device
from pptp_jax.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("compile_in_haste")

MLP = mlp([12, 8], num_classes=10, dropout=0.2)


class _Normed(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Dense(8, name="stem")(x.reshape(len(x), -1))
        return nn.Dense(10, name="head")(nn.relu(nn.BatchNorm(not train, name="norm")(x)))


NORMED = from_linen(_Normed(), ["stem", "norm", "head"])
DATA = Arrays.of(
    Digits().load(lambda n: np.arange(240)),
    reference=np.arange(160, 240),
    augmentation=Augmentation(shift=1),
)
INDICES = member_indices(Balanced(2).draw(160, 0).matrix)
BATCH = 40


def trained(model: Model, recipe: Recipe, strategy: Strategy):
    [found] = train_fleet(
        model, recipe, DATA, INDICES, batch_size=BATCH, execution=Execution(strategy=strategy)
    )
    return found[1:]


CONVOLVED = cnn([4], dense=8, num_classes=10, norm="group")
CASES = {
    "batch norm": (NORMED, undefended(2)),
    "mixed and compared": (MLP, whole_network(MixupMMD(weight=2.0), 2)),
    "adversary": (MLP, whole_network(AdversarialRegularisation(weight=2.0, hidden=(4,)), 2)),
    "poisson": (
        MLP,
        dp_sgd(Private(noise_multiplier=1.0, microbatch_size=7), epochs=1, batches=Poisson()),
    ),
    "convolutions": (CONVOLVED, undefended(2)),
    "private convolutions": (
        CONVOLVED,
        dp_sgd(Private(noise_multiplier=1.0, microbatch_size=10), epochs=1),
    ),
    "private": (MLP, dp_sgd(Private(noise_multiplier=1.0, microbatch_size=10), epochs=1)),
}


@pytest.mark.parametrize("name", CASES)
def test_sharing_does_not_matter(name: str) -> None:
    with jax.numpy_dtype_promotion("standard"):  # optax.adam needs it
        alone = trained(*CASES[name], Strategy(order="scan"))
        shared = trained(*CASES[name], Strategy(order="scan", data_devices=4))
    chex.assert_trees_all_close(shared, alone, rtol=1e-3, atol=1e-4)
    assert np.isfinite(alone[1]).all()


def test_a_fleet_of_shared_models() -> None:
    alone = trained(NORMED, undefended(2), Strategy(order="scan"))
    both = trained(NORMED, undefended(2), Strategy(devices=2, data_devices=2))
    chex.assert_trees_all_close(both, alone, rtol=1e-3, atol=1e-4)


def program(model: Model, strategy: Strategy) -> str:
    """The compiled epoch of two models."""
    trainer = Trainer(model, None, BATCH)
    [phase] = undefended(2).phases
    keys = strategy.place(jax.vmap(jax.random.key)(jnp.arange(2)), 0)
    members, data = strategy.place(jnp.asarray(INDICES), 0), strategy.place(DATA, None)
    rules = GroupRules(trainer, SGD(), strategy)
    state = start_group(rules, phase, None, keys, data, members, None)
    lowered = epoch_of_group.lower(rules, phase, state, data, members, keys, 0, 0)
    return lowered.compile().as_text()


COLLECTIVES = r" (all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute)(?:-start)?\("


@pytest.mark.parametrize("model", [NORMED, CONVOLVED], ids=["batch norm", "convolutions"])
def test_devices_sum_up_gradients_and_exchange_nothing_else(model: Model) -> None:
    shared = program(model, Strategy(order="scan", devices=2, data_devices=2))
    assert "num_partitions=4" in shared
    assert set(re.findall(COLLECTIVES, shared)) == {"all-reduce"}
    within = {"{{0,1},{2,3}}", "[2,2]<=[4]"}  # those of a model alone
    groups = set(re.findall(r" all-reduce(?:-start)?\(.*replica_groups=(\S+), ", shared))
    assert groups and groups <= within
    assert not re.findall(COLLECTIVES, program(model, Strategy(order="scan", devices=2)))


def test_a_mesh_of_the_users_own() -> None:
    train = jax.jit(make_train(NORMED, undefended(1), batch_size=BATCH))
    key, members = jax.random.key(0), jnp.asarray(INDICES[0])
    alone = train(key, DATA, members)
    mesh = jax.make_mesh((4,), ("data",), (jax.sharding.AxisType.Auto,), devices=jax.devices()[:4])
    with jax.set_mesh(mesh):
        shared = train(key, DATA, members)
        assert on_every_device(jnp.ones(3)).sharding.is_fully_replicated
    chex.assert_trees_all_close(shared, alone, rtol=1e-3, atol=1e-4)


def test_bad_shares() -> None:
    with pytest.raises(ValueError, match="3 devices cannot share a batch of 40 in equal parts"):
        trained(MLP, undefended(1), Strategy(data_devices=3))
    with pytest.raises(ValueError, match="at most the 8 of this process, got 4 times 3 data_dev"):
        Strategy(devices=4, data_devices=3)
    with pytest.raises(ValueError, match="data_devices must be an integer of at least 1"):
        Strategy(data_devices=0)
