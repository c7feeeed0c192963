"""The networks of diffusion models: regions, blocks, no example sees another, training."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Model, Variables, ddpm, denoising_mlp, unet
from pptp_jax.regions import RegionMap, sizes
from pptp_jax.tasks import Noisy
from pptp_jax.training import SGD, Average, freeze, make_train, undefended

pytestmark = pytest.mark.usefixtures("compile_in_haste")

RNG = np.random.default_rng(0)
NETWORKS = {
    "mlp": denoising_mlp([6, 6, 6], num_classes=2, embedding=4),
    "unet": unet(4, depth=2, num_classes=2),
}
SHAPE = (5, 7, 1)


def started(network: Model) -> tuple[Model, Variables]:
    model = ddpm(network, steps=5, shape=SHAPE)
    variables = model.init(jax.random.key(0), jnp.zeros((1, *SHAPE)))
    moved = jax.tree.map(
        lambda leaf: (
            leaf + 0.1 * jnp.sin(jnp.arange(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape)
        ),
        variables.params,
    )
    return model, variables._replace(params=moved)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_sees_timestep_and_class_and_no_other_example(name: str) -> None:
    model, own = started(NETWORKS[name])
    x = jnp.asarray(RNG.normal(size=(3, *SHAPE)), jnp.float32)
    says = jax.jit(lambda seen: model.apply(*own, seen, train=False, key=None)[0])
    given = Noisy(x, jnp.array([1, 2, 3]), jnp.array([0, 1, 1]))
    found = says(given)
    assert found.shape == x.shape
    others = says(Noisy(x.at[1:].set(0.0), jnp.array([1, 0, 0]), jnp.array([0, 0, 0])))
    np.testing.assert_allclose(others[0], found[0], rtol=1e-5, atol=1e-6)
    for other in (
        given._replace(timesteps=given.timesteps + 1),
        given._replace(labels=1 - given.labels),
    ):
        assert (np.abs(says(other) - found).max(axis=(1, 2, 3)) > 1e-4).all()


def test_every_block_of_a_unet_sees_timestep_and_class() -> None:
    """Also where each channel is a group of its own, whose norm takes away what is added to it."""
    model, own = started(NETWORKS["unet"])
    x = jnp.asarray(RNG.normal(size=(2, *SHAPE)), jnp.float32)
    seen = Noisy(x, jnp.array([1, 3]), jnp.array([0, 1]))
    says = jax.jit(lambda params: model.apply(params, {}, seen, train=False, key=None)[0])
    found = says(own.params)
    for block in ("down1", "down2", "middle", "up2", "up1"):

        def blind(path, leaf, block=block):
            words = jax.tree_util.keystr(path)
            return 0 * leaf if block in words and "modulation" in words else leaf

        without = says(jax.tree_util.tree_map_with_path(blind, own.params))
        assert np.abs(without - found).max() > 1e-3, block


@pytest.mark.parametrize("name", NETWORKS)
def test_regions_cover_a_network(name: str) -> None:
    model, own = started(NETWORKS[name])
    assert own.state == {}  # no running statistics
    words = {part.name: part.pattern for part in model.parts}
    words.setdefault("middle", "middle/.*")
    found = sizes(
        RegionMap.from_rules([(words[w], w) for w in ("down", "middle", "up")]), own.params
    )
    assert sum(size.parameters for size in found.values()) == sum(
        leaf.size for leaf in jax.tree.leaves(own.params)
    )
    assert min(size.parameters for size in found.values()) > 0


IDS = np.arange(8)
DATA = Arrays.of(
    Dataset("images", RNG.uniform(size=(8, *SHAPE)).astype(np.float32), IDS % 2, IDS, 2)
)


def trained(recipe):
    model = ddpm(NETWORKS["mlp"], steps=5, shape=SHAPE)
    optimizer = SGD(learning_rate=0.1, momentum=0.0, schedule="constant")
    train = jax.jit(make_train(model, recipe, optimizer, batch_size=4))
    return train(jax.random.key(1), DATA, jnp.arange(8))[0].params


def test_an_average_of_decay_0_is_the_last_network_and_another_lags_behind() -> None:
    plain = undefended(3)

    def averaged(decay: float):
        return replace(plain, phases=(replace(plain.phases[0], average=Average(decay=decay)),))

    end, same, start, between = map(trained, (plain, averaged(0.0), averaged(1.0), averaged(0.5)))
    for own, other in zip(jax.tree.leaves(end), jax.tree.leaves(same), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-7)
    heads = [np.asarray(p["head"]["bias"]) for p in (start, between, end)]
    assert (heads[0] == 0).all()
    assert 0 < np.linalg.norm(heads[1]) < np.linalg.norm(heads[2])


def test_a_frozen_region_stays_while_the_rest_denoises_on() -> None:
    short, frozen = trained(undefended(1)), trained(freeze("middle", after=1, more=3))
    assert "middle" in [part.name for part in NETWORKS["mlp"].parts]
    np.testing.assert_array_equal(
        short["stage1"]["dense"]["kernel"], frozen["stage1"]["dense"]["kernel"]
    )
    assert (short["head"]["kernel"] != frozen["head"]["kernel"]).any()
