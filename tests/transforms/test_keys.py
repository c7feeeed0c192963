"""Noise is independent where it must be, and the same where nothing relevant changed."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from hypothesis import given
from hypothesis import strategies as st
from transform_table import REGIONS, tree

from pptp_jax.regions import RegionMap, Regions, WeightMap
from pptp_jax.transforms import add_region_noise, chain, drop_region_updates, pptp
from pptp_jax.transforms.keys import leaf_keys

KEY = jax.random.key(3)
ALL = RegionMap.from_rules([(".*", "protect")])


def correlation(a: jax.Array, b: jax.Array) -> float:
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


# Maps that divide one tree in different ways, some with the same labels.
TREE = {"a": jnp.zeros(3_000), "b": jnp.zeros(3_000)}
HALF = {"a": jnp.arange(3_000) < 1_500, "b": jnp.ones(3_000, bool)}
MAPS: list[Regions] = [
    ALL,
    RegionMap.from_rules([("a", "protect"), ("b", "general")]),
    RegionMap.from_rules([("b", "protect"), ("a", "general")]),
    WeightMap.from_masks({"protect": HALF}),
]
regions = st.sampled_from([(m, label) for m in MAPS for label in m.names])


def drawn(tx: optax.GradientTransformationExtraArgs, key: jax.Array) -> np.ndarray:
    """The noise on all weights, in a row."""
    updates, _ = tx.update(TREE, tx.init(TREE), key=key)
    return np.concatenate(jax.tree.leaves(updates))


@given(regions, regions, st.sampled_from([0, 1, 2]), st.integers(0, 9))
def test_two_noises_of_a_chain_are_independent(
    first: tuple[Regions, str], second: tuple[Regions, str], nested: int, seed: int
) -> None:
    """With default arguments, on any two regions: the first noise taken out, the second is left."""
    one, two = (add_region_noise(*region, 1.0) for region in (first, second))
    inner = two
    for _ in range(nested):
        inner = chain(optax.identity(), inner)
    key = jax.random.key(seed)
    alone, both = drawn(chain(one), key), drawn(chain(one, inner), key)
    added = both - alone
    places = (alone != 0) & (np.abs(added) > 1e-6)
    if places.any():
        assert abs(correlation(alone[places], added[places])) < 0.1
    # Beside each other the variances add up; equal draws would give 4 in place of 2.
    shared = (alone != 0) & (drawn(two, key) != 0)
    if shared.any():
        np.testing.assert_allclose(both[shared].var(), 2, rtol=0.15)


def test_equal_noises_in_the_chain_of_optax_are_independent_by_label_or_name() -> None:
    """In `optax.chain` they get one key: the label tells them apart, and else a name must."""
    other = RegionMap.from_rules([(".*", "other")])
    pairs = [
        (add_region_noise(ALL, "protect", 1.0), add_region_noise(other, "other", 1.0)),
        (add_region_noise(ALL, "protect", 1.0), add_region_noise(ALL, "protect", 1.0, stream="b")),
    ]
    for one, two in pairs:
        assert abs(correlation(drawn(one, KEY), drawn(two, KEY))) < 0.05
        np.testing.assert_allclose(drawn(optax.chain(one, two), KEY).var(), 2, rtol=0.1)


def test_what_an_optimiser_draws_is_independent_of_the_rules_around_it() -> None:
    noise = add_region_noise(ALL, "protect", 1.0)
    around = pptp(noise, ALL, stddev=1.0)
    np.testing.assert_allclose(drawn(around, KEY).var(), 2, rtol=0.1)


def test_each_model_of_a_fleet_draws_in_a_chain_as_it_does_alone() -> None:
    noise = add_region_noise(ALL, "protect", 1.0)
    tx, keys = chain(noise, noise), jax.random.split(KEY, 3)
    fleet = jax.jit(jax.vmap(lambda key: tx.update(TREE, tx.init(TREE), key=key)[0]))(keys)
    for i in range(3):
        rows = np.concatenate([leaf[i] for leaf in jax.tree.leaves(fleet)])
        np.testing.assert_allclose(rows, drawn(tx, keys[i]), rtol=1e-5, atol=1e-6)


def test_a_chain_without_randomness_needs_no_key_and_is_that_of_optax() -> None:
    members = optax.clip(0.5), optax.sgd(0.1, momentum=0.9)
    ours, theirs = chain(*members), optax.chain(*members)
    grads = tree()
    left, right = ours.init(grads), theirs.init(grads)
    assert jax.tree.structure(left) == jax.tree.structure(right)
    jax.tree.map(
        np.testing.assert_array_equal,
        ours.update(grads, left, grads),
        theirs.update(grads, right, grads),
    )


def test_noise_and_drops_of_one_key_are_independent() -> None:
    ones = {"w": jnp.ones(10_000)}
    noise, drop = add_region_noise(ALL, "protect", 1.0), drop_region_updates(ALL, "protect", 0.5)
    noisy = noise.update(ones, noise.init(ones), key=KEY)[0]["w"]
    dropped = drop.update(ones, drop.init(ones), key=KEY)[0]["w"]
    assert abs(correlation(noisy, dropped)) < 0.05


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
