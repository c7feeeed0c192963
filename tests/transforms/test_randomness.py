"""Noise is independent where it must be, and the same where nothing relevant changed."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from transform_table import REGIONS, tree

from pptp_jax.regions import RegionMap
from pptp_jax.transforms import add_region_noise, mask_region
from pptp_jax.transforms.randomness import leaf_keys

KEY = jax.random.key(3)
ALL = RegionMap.from_rules([(".*", "protect")])


def correlation(a: jax.Array, b: jax.Array) -> float:
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


def test_two_noises_of_a_chain_are_independent_under_two_names() -> None:
    zeros = {"w": jnp.zeros(10_000)}

    def drawn(stream: str) -> jax.Array:
        tx = add_region_noise(ALL, "protect", 1.0, stream=stream)
        return tx.update(zeros, tx.init(zeros), key=KEY)[0]["w"]

    assert abs(correlation(drawn("one"), drawn("two"))) < 0.05
    chain = optax.chain(*(add_region_noise(ALL, "protect", 1.0, stream=s) for s in ("one", "two")))
    both = chain.update(zeros, chain.init(zeros), key=KEY)[0]["w"]
    np.testing.assert_allclose(both, drawn("one") + drawn("two"), rtol=1e-5)
    np.testing.assert_allclose(both.std(), np.sqrt(2), rtol=0.05)


def test_noise_and_mask_of_one_key_are_independent() -> None:
    ones = {"w": jnp.ones(10_000)}
    noise, mask = add_region_noise(ALL, "protect", 1.0), mask_region(ALL, "protect", 0.5)
    noisy = noise.update(ones, noise.init(ones), key=KEY)[0]["w"]
    masked = mask.update(ones, mask.init(ones), key=KEY)[0]["w"]
    assert abs(correlation(noisy, masked)) < 0.05


def test_leaves_of_one_shape_and_steps_draw_differently() -> None:
    zeros = {name: jnp.zeros(10_000) for name in "abc"}
    tx = add_region_noise(ALL, "protect", 1.0)
    first, _ = tx.update(zeros, tx.init(zeros), key=jax.random.fold_in(KEY, 0))
    second, _ = tx.update(zeros, tx.init(zeros), key=jax.random.fold_in(KEY, 1))
    drawn = np.stack([*first.values(), *second.values()])
    assert np.abs(np.corrcoef(drawn) - np.eye(6)).max() < 0.05


def test_a_leaf_draws_the_same_whatever_else_is_in_the_tree() -> None:
    grads = tree()
    whole, _ = (tx := add_region_noise(REGIONS, "protect", 1.0)).update(
        grads, tx.init(grads), key=KEY
    )
    stem = {"stem": grads["stem"]}
    alone, _ = (tx := add_region_noise(ALL, "protect", 1.0)).update(stem, tx.init(stem), key=KEY)
    np.testing.assert_array_equal(alone["stem"]["w"], whole["stem"]["w"])


def test_names_that_join_to_one_path_have_two_keys() -> None:
    keys = leaf_keys(KEY, {"a/b": 0.0, "a": {"b": 0.0}}, "stream")
    data = [jax.random.key_data(key).tolist() for key in jax.tree.leaves(keys)]
    assert data[0] != data[1]


def test_an_empty_tree_draws_nothing() -> None:
    tx = add_region_noise(ALL, "protect", 1.0)
    assert tx.update({}, tx.init({}), key=KEY)[0] == {}
