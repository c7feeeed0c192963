"""Private aggregation: the noise, who gets it, and how it behaves as an optax transform."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from optax.contrib import differentially_private_aggregate
from scipy import stats

from pptp_jax.regions import RegionMap
from pptp_jax.transforms import (
    RegionClip,
    clipped_grad,
    private_region_aggregation,
    private_region_noise,
)

REGIONS = RegionMap.from_rules([("stem/.*", "protect"), ("head/.*", "general")])
ALL = ("protect", "general")
PARAMS = {"stem": {"w": jnp.ones((4, 3)), "b": jnp.zeros(())}, "head": {"w": jnp.ones(3)}}
KEY = jax.random.key(7)


def gradients_of(examples, dtype=jnp.float32):
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda p: jnp.asarray(rng.normal(size=(examples, *p.shape)), dtype), PARAMS)


def aggregate(tx, gradients, params=None, **extra):
    return jax.jit(tx.update)(gradients, tx.init(PARAMS), params, **{"key": KEY, **extra})[0]


def assert_equal(left, right, rtol=0.0):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


def private(label="protect", max_norm=1.0, noise=1.0, batch=8, jointly=False):
    clip = RegionClip(REGIONS, label, max_norm, jointly)
    return private_region_aggregation(clip, noise, batch_size=batch)


def test_without_noise_it_is_optax_on_the_entire_network():
    gradients = gradients_of(8)
    theirs = differentially_private_aggregate(0.9, 0.0, key=0)
    expected, _ = theirs.update(gradients, theirs.init(PARAMS))
    assert_equal(aggregate(private(ALL, 0.9, 0.0, jointly=True), gradients), expected, rtol=1e-6)


def test_the_noise_has_the_spread_of_optax():
    zeros = {"w": jnp.zeros((4, 20_000))}
    theirs = differentially_private_aggregate(0.5, 3.0, key=0)
    expected, _ = theirs.update(zeros, theirs.init({"w": jnp.zeros(20_000)}))
    clip = RegionClip(RegionMap.from_rules([("w", "all")]), "all", 0.5)
    tx = private_region_aggregation(clip, 3.0, batch_size=4)
    ours, _ = tx.update(zeros, optax.EmptyState(), key=KEY)
    assert stats.ks_2samp(ours["w"], expected["w"]).pvalue > 0.01


@pytest.mark.parametrize(
    ("label", "jointly"), [("one", False), (("one", "two"), False), (("one", "two"), True)]
)
def test_the_noise_is_gaussian_and_scaled_by_the_sensitivity(label, jointly):
    regions = RegionMap.from_rules([("a|c", "one"), ("b", "two"), ("d", "clear")])
    clip = RegionClip(regions, label, 0.5, jointly)
    zeros = dict.fromkeys("abcd", jnp.zeros(20_000))
    tx = private_region_noise(clip, 3.0, batch_size=10)
    updates, _ = tx.update(zeros, tx.init(zeros), key=KEY)
    scale = 3.0 * clip.sensitivity / 10
    noised = "abc" if "two" in label else "ac"
    for name in noised:
        assert stats.kstest(np.float64(updates[name]) / scale, stats.norm.cdf).pvalue > 0.01
    for name in set("abcd") - set(noised):
        np.testing.assert_array_equal(updates[name], 0)
    correlation = np.corrcoef([updates[name] for name in noised])
    assert np.abs(correlation - np.eye(len(noised))).max() < 0.03


def test_other_regions_are_averaged_in_the_clear():
    gradients = gradients_of(8)
    updates = aggregate(private(max_norm=1e-3, noise=5.0), gradients)
    np.testing.assert_allclose(updates["head"]["w"], gradients["head"]["w"].mean(0), rtol=1e-6)
    assert not np.allclose(updates["stem"]["w"], gradients["stem"]["w"].mean(0), atol=1e-3)


def test_the_noise_of_a_parameter_does_not_depend_on_the_others():
    clip = RegionClip(RegionMap.from_rules([(".*", "all")]), "all", 1.0)
    tx = private_region_noise(clip, 1.0, batch_size=1)
    small, large = {"b": jnp.zeros(5)}, {"a": jnp.zeros(2), "b": jnp.zeros(5), "c": jnp.zeros(5)}
    first, _ = tx.update(small, tx.init(small), key=KEY)
    second, _ = tx.update(large, tx.init(large), key=KEY)
    np.testing.assert_array_equal(first["b"], second["b"])
    assert (second["b"] != second["c"]).all()


def test_clipped_grad_and_noise_are_the_aggregation_in_two_steps():
    def loss(params, x):
        return jnp.sum(
            jnp.tanh(x @ params["stem"]["w"] + params["stem"]["b"]) * params["head"]["w"]
        )

    batch = jax.random.normal(jax.random.key(3), (8, 4))
    present = jnp.arange(8) < 5
    gradients = jax.vmap(jax.grad(loss), (None, 0))(PARAMS, batch)
    once = aggregate(private(), gradients, PARAMS, present=present)
    clip = RegionClip(REGIONS, "protect", 1.0)
    total = clipped_grad(loss, clip, microbatch_size=2)(PARAMS, batch, present)
    twice = aggregate(private_region_noise(clip, 1.0, batch_size=8), total, PARAMS)
    assert_equal(once, twice, rtol=1e-5)


def test_padding_changes_nothing():
    gradients = gradients_of(5)
    padded = jax.tree.map(lambda g: jnp.concatenate([g, jnp.full_like(g[:3], jnp.nan)]), gradients)
    tx = private(ALL)
    expected = aggregate(tx, gradients)
    assert_equal(aggregate(tx, padded, present=jnp.arange(8) < 5), expected, rtol=1e-6)


def test_each_model_of_a_fleet_draws_its_own_noise_and_the_same_as_alone():
    keys = jax.random.split(KEY, 3)
    zeros = jax.tree.map(jnp.zeros_like, gradients_of(2))
    tx = private(ALL)
    fleet = jax.jit(jax.vmap(lambda key: aggregate(tx, zeros, key=key)))(keys)
    for i in range(3):
        alone = aggregate(tx, zeros, key=keys[i])
        assert_equal(jax.tree.map(lambda u, i=i: u[i], fleet), alone, rtol=1e-6)
    assert (fleet["stem"]["w"][0] != fleet["stem"]["w"][1]).all()


def test_a_fleet_on_eight_devices_draws_the_noise_of_one():
    keys, tx = jax.random.split(KEY, 8), private(ALL)
    zeros = jax.tree.map(jnp.zeros_like, gradients_of(2))
    mesh = jax.make_mesh((8,), ("models",), axis_types=(AxisType.Auto,))
    fleet = jax.vmap(lambda key: aggregate(tx, zeros, key=key))
    sharded = jax.jit(jax.shard_map(fleet, mesh=mesh, in_specs=P("models"), out_specs=P("models")))
    assert_equal(sharded(keys), fleet(keys), rtol=1e-6)
    assert "all-" not in sharded.lower(keys).compile().as_text()


def test_examples_on_eight_devices_share_one_noise():
    def loss(params, x):
        return jnp.sum(params["stem"]["w"] * x) + params["stem"]["b"] + jnp.sum(params["head"]["w"])

    clip, batch = RegionClip(REGIONS, ALL, 1.0, jointly=True), jnp.ones((16, 4, 3))
    total, tx = clipped_grad(loss, clip), private_region_noise(clip, 1.0, batch_size=16)

    def step(params, batch, key):
        summed = jax.lax.psum(total(params, batch), "data")
        return tx.update(summed, optax.EmptyState(), params, key=key)[0]

    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    sharded = jax.shard_map(step, mesh=mesh, in_specs=(P(), P("data"), P()), out_specs=P())
    expected = tx.update(total(PARAMS, batch), optax.EmptyState(), PARAMS, key=KEY)[0]
    assert_equal(jax.jit(sharded)(PARAMS, batch, KEY), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_precision_is_kept_and_the_second_step_compiles_nothing(dtype):
    params = jax.tree.map(lambda p: p.astype(dtype), PARAMS)
    tx = optax.chain(private(), optax.sgd(0.1, momentum=0.9))

    @jax.jit
    def step(params, state, key):
        updates, state = tx.update(gradients_of(8, dtype), state, params, key=key)
        return optax.apply_updates(params, updates), state

    moved, state = step(params, tx.init(params), KEY)
    again, state = step(moved, state, jax.random.fold_in(KEY, 1))
    assert {p.dtype for p in jax.tree.leaves((moved, again))} == {jnp.dtype(dtype)}
    assert step._cache_size() == 1
    differs = moved["stem"]["w"] != again["stem"]["w"]
    # bfloat16 has so few values near 1 that some weights meet by chance.
    assert differs.all() if dtype == jnp.float32 else differs.mean() > 0.5


def test_the_noise_multiplier_can_be_injected():
    tx = optax.inject_hyperparams(private_region_aggregation, static_args=("batch_size", "clip"))(
        clip=RegionClip(REGIONS, "protect", 1.0), noise_multiplier=0.0, batch_size=8
    )
    gradients, state = gradients_of(8), tx.init(PARAMS)
    quiet, state = tx.update(gradients, state, PARAMS, key=KEY)
    assert_equal(quiet, aggregate(private(noise=0.0), gradients), rtol=1e-6)
    state.hyperparams["noise_multiplier"] = jnp.float32(2.0)
    loud, _ = tx.update(gradients, state, PARAMS, key=KEY)
    assert_equal(loud, aggregate(private(noise=2.0), gradients), rtol=1e-6)


def test_none_leaves_and_foreign_extra_arguments_pass():
    clip = RegionClip(RegionMap.from_rules([("w", "all")]), "all", 1.0)
    tx = private_region_aggregation(clip, 0.0, batch_size=2)
    params = {"w": jnp.zeros(2), "none": None}
    gradients = {"w": jnp.full((2, 2), 0.1), "none": None}
    updates, _ = tx.update(gradients, tx.init(params), params, key=KEY, value=1.0)
    assert updates["none"] is None
    np.testing.assert_allclose(updates["w"], 0.1, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": -1.0}, "noise_multiplier must be a finite number of at least 0, got -1.0"),
        ({"batch": 0}, "batch_size must be a finite number above 0, got 0"),
    ],
)
def test_wrong_numbers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        private(**arguments)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, "needs key=, one typed key such as jax.random.key.0., new in each step; got none"),
        (jax.random.PRNGKey(0), "one typed key.*got uint32 of shape"),
        (jax.random.split(KEY, 2), r"one typed key.*of shape \(2,\)"),
    ],
)
def test_a_missing_or_wrong_key_is_refused(key, message):
    with pytest.raises(ValueError, match=message):
        aggregate(private(), gradients_of(2), key=key)


def test_gradients_without_an_axis_of_examples_are_refused():
    means = {"stem": {"w": jnp.ones((4, 3)), "b": jnp.ones(4)}, "head": {"w": jnp.ones((4,))}}
    with pytest.raises(ValueError, match=r"stem/w: \(4, 3\) for \(4, 4, 3\)"):
        aggregate(private(), means, PARAMS)


def test_sums_that_do_not_fit_the_parameters_are_refused():
    tx = private_region_noise(RegionClip(REGIONS, "protect", 1.0), 1.0, batch_size=2)
    other = {**PARAMS, "head": {"v": jnp.ones(3)}}
    with pytest.raises(ValueError, match=r"updates alone have head/v, params alone have head/w"):
        aggregate(tx, other, PARAMS)


def test_a_tree_that_the_map_does_not_cover_is_refused_at_init():
    with pytest.raises(ValueError, match="no rule covers the parameters tail"):
        private().init({**PARAMS, "tail": jnp.ones(1)})


@pytest.mark.parametrize(("noise", "max_norm"), [(1e-20, 1e-20), (1e20, 1e20)])
def test_noise_that_single_precision_would_lose_is_refused(noise, max_norm):
    with pytest.raises(ValueError, match=r"noise's standard deviation.*which float32 does not"):
        private(max_norm=max_norm, noise=noise)
