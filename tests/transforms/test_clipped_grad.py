"""clipped_grad: against one gradient at a time, jax_privacy, other shards, and the memory bound."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from jax_privacy.clipping import clipped_grad as reference

from pptp_jax.regions import RegionMap
from pptp_jax.transforms import RegionClip, clipped_grad

REGIONS = RegionMap.from_rules([("stem/.*", "protect"), ("head/.*", "general")])
ALL = ("protect", "general")
PARAMS = {
    "stem": {"w": jnp.linspace(-1, 1, 12).reshape(4, 3), "b": jnp.zeros(3)},
    "head": {"w": jnp.linspace(1, -1, 3)},
}


def loss(params, example):
    hidden = jnp.tanh(example["x"] @ params["stem"]["w"] + params["stem"]["b"])
    return jnp.square(hidden @ params["head"]["w"] - example["y"])


def batch_of(examples, seed=0):
    x, y = jax.random.split(jax.random.key(seed))
    return {
        "x": 2 * jax.random.normal(x, (examples, 4)),
        "y": jax.random.normal(y, (examples,)),
    }


gradient_of = jax.jit(jax.grad(loss))


def clip_one(gradient, clip):
    """By NumPy, one example's gradient at a time."""
    norms = {name: optax.tree.norm(part) for name, part in gradient.items()}
    if clip.jointly:
        norms = dict.fromkeys(gradient, np.hypot(norms["stem"], norms["head"]))
    weights = {
        name: min(1, clip.max_norm / float(norms[name]))
        if clip.jointly or label in clip.labels
        else 1
        for name, label in (("stem", "protect"), ("head", "general"))
    }
    return {
        name: jax.tree.map(lambda g, w=weights[name]: np.float32(w) * np.asarray(g), part)
        for name, part in gradient.items()
    }


def assert_close(left, right, **tolerance):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(one, other, **{"rtol": 1e-5, "atol": 1e-5, **tolerance})


def one_at_a_time(clip, batch, present):
    """The gradient of each example on its own, clipped as a batch of one, and added up."""
    total = jax.tree.map(np.zeros_like, PARAMS)
    for x, y, real in zip(batch["x"], batch["y"], present, strict=True):
        if real:
            gradient = gradient_of(PARAMS, {"x": x, "y": y})
            total = jax.tree.map(np.add, total, clip_one(gradient, clip))
    return total


@settings(max_examples=6, deadline=None)
@given(
    microbatch=st.sampled_from([1, 3, None]),
    label=st.sampled_from(["protect", "general", ALL]),
    jointly=st.booleans(),
    max_norm=st.floats(0.05, 5),
    present=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_equals_one_gradient_at_a_time(microbatch, label, jointly, max_norm, present):
    clip = RegionClip(REGIONS, label, max_norm, jointly)
    batch, present = batch_of(6), np.array(present)
    total = clipped_grad(loss, clip, microbatch_size=microbatch)
    assert_close(
        jax.jit(total)(PARAMS, batch, jnp.asarray(present)), one_at_a_time(clip, batch, present)
    )


# jax_privacy 2.0 calls an optax function that optax 0.2.8 deprecates.
@pytest.mark.filterwarnings("ignore:optax.global_norm is deprecated:DeprecationWarning")
@pytest.mark.parametrize("microbatch", [None, 4])
def test_equals_jax_privacy(microbatch):
    batch, clip = batch_of(12), RegionClip(REGIONS, ALL, 0.7, jointly=True)
    ours = jax.jit(clipped_grad(loss, clip, microbatch_size=microbatch))(PARAMS, batch)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        theirs = reference(loss, l2_clip_norm=0.7, keep_batch_dim=False, microbatch_size=microbatch)
        assert_close(ours, jax.jit(theirs)(PARAMS, batch))
    assert clip.sensitivity == theirs.sensitivity()


# jax_privacy 2.0 calls an optax function that optax 0.2.8 deprecates.
@pytest.mark.filterwarnings("ignore:optax.global_norm is deprecated:DeprecationWarning")
@pytest.mark.parametrize("microbatch", [None, 4])
def test_values_norms_and_aux_are_those_of_jax_privacy(microbatch):
    def with_aux(params, example):
        return loss(params, example), {"twice": 2 * example["y"]}

    batch, clip = batch_of(12), RegionClip(REGIONS, ALL, 0.7, jointly=True)
    options = {"has_aux": True, "return_values": True, "return_grad_norms": True}
    options["microbatch_size"] = microbatch
    ours, more = jax.jit(clipped_grad(with_aux, clip, **options))(PARAMS, batch)
    assert_close(ours, clipped_grad(loss, clip, microbatch_size=microbatch)(PARAMS, batch))
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        theirs = reference(with_aux, l2_clip_norm=0.7, keep_batch_dim=False, **options)
        _, known = jax.jit(theirs)(PARAMS, batch)
    assert_close(more._asdict(), {name: getattr(known, name) for name in more._fields})
    single = RegionClip(REGIONS, "protect", 0.7)
    _, own = clipped_grad(loss, single, return_grad_norms=True)(PARAMS, batch)
    first = gradient_of(PARAMS, jax.tree.map(lambda leaf: leaf[0], batch))["stem"]
    np.testing.assert_allclose(own.grad_norms[0], optax.tree.norm(first), rtol=1e-5)
    assert own.values is None and own.aux is None


def test_each_example_may_bring_its_own_key():
    def noisy(params, example):
        x, key = example
        return params["w"] * (x + jax.random.normal(key))

    clip = RegionClip(RegionMap.from_rules([("w", "all")]), "all", 1e3)
    x, keys = jnp.arange(4.0), jax.random.split(jax.random.key(1), 4)
    total = clipped_grad(noisy, clip, microbatch_size=2)({"w": jnp.ones(())}, (x, keys))
    expected = x.sum() + jax.vmap(jax.random.normal)(keys).sum()
    np.testing.assert_allclose(total["w"], expected, rtol=1e-6)


def test_an_example_with_a_nan_adds_nothing():
    batch = batch_of(4)
    poisoned = {**batch, "x": batch["x"].at[1].set(jnp.nan)}
    clip = RegionClip(REGIONS, ALL, 1.0)
    total = jax.jit(clipped_grad(loss, clip, microbatch_size=2))
    present = jnp.array([True, False, True, True])
    assert_close(total(PARAMS, poisoned), total(PARAMS, batch, present))


def temporary_bytes(examples, microbatch):
    clip = RegionClip(RegionMap.from_rules([("w", "all")]), "all", 1.0)
    total = clipped_grad(
        lambda params, x: jnp.sum(jnp.tanh(x @ params["w"])), clip, microbatch_size=microbatch
    )
    params, batch = {"w": jnp.ones((64, 32))}, jnp.ones((examples, 64))
    return jax.jit(total).lower(params, batch).compile().memory_analysis().temp_size_in_bytes


def test_memory_grows_with_the_microbatch_only():
    gradient = 64 * 32 * 4
    assert temporary_bytes(512, None) > 512 * gradient
    assert temporary_bytes(512, 8) < temporary_bytes(64, 8) + gradient
    assert temporary_bytes(512, 8) < 16 * gradient


@pytest.mark.parametrize("check_vma", [True, False])
@pytest.mark.parametrize("microbatch", [None, 1])
def test_examples_on_eight_devices_are_clipped_one_by_one(check_vma, microbatch):
    clip, batch = RegionClip(REGIONS, ALL, 0.7, jointly=True), batch_of(16)
    total = clipped_grad(loss, clip, microbatch_size=microbatch)

    def shard(params, batch):
        return jax.lax.psum(total(params, batch), "data")

    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    sharded = jax.shard_map(
        shard, mesh=mesh, in_specs=(P(), P("data")), out_specs=P(), check_vma=check_vma
    )
    assert_close(jax.jit(sharded)(PARAMS, batch), total(PARAMS, batch))


def test_the_cast_for_shards_is_compiled_to_nothing():
    clip = RegionClip(RegionMap.from_rules([("w", "all")]), "all", 1.0)
    total = clipped_grad(lambda params, x: x @ params["w"], clip)
    args = {"w": jnp.ones(64)}, jnp.ones((4, 64))
    plain = jax.jit(lambda p, x: clip.sum(jax.vmap(lambda x: {"w": x})(x)))
    count = [f.lower(*args).compile().cost_analysis()["flops"] for f in (jax.jit(total), plain)]
    assert count[0] == count[1]


def test_a_fleet_is_mapped_over_its_models():
    fleet = jax.tree.map(lambda p: jnp.stack([p, 2 * p]), PARAMS)
    batch, clip = batch_of(6), RegionClip(REGIONS, "protect", 0.5)
    total = clipped_grad(loss, clip, microbatch_size=3)
    mapped = jax.jit(jax.vmap(total, in_axes=(0, None)))(fleet, batch)
    for i in range(2):
        alone = total(jax.tree.map(lambda p, i=i: p[i], fleet), batch)
        assert_close(jax.tree.map(lambda p, i=i: p[i], mapped), alone)


def test_a_sweep_over_the_norm_is_one_program():
    batch = batch_of(6)

    @jax.jit
    def total(max_norm):
        return clipped_grad(loss, RegionClip(REGIONS, "protect", max_norm))(PARAMS, batch)

    for max_norm in (0.5, 1.0):
        expected = clipped_grad(loss, RegionClip(REGIONS, "protect", max_norm))(PARAMS, batch)
        assert_close(total(jnp.float32(max_norm)), expected)
    assert total._cache_size() == 1


@pytest.mark.parametrize(
    ("microbatch", "examples", "message"),
    [
        (4, 6, "multiple of the microbatch, 4; it has 6 examples: pad it"),
        (4, 0, "multiple of the microbatch, 4; it has 0 examples"),
        (0, 6, "microbatch_size must be an integer of at least 1, got 0"),
    ],
)
def test_a_batch_that_cannot_be_cut_is_refused(microbatch, examples, message):
    clip = RegionClip(REGIONS, "protect", 1.0)
    with pytest.raises(ValueError, match=message):
        clipped_grad(loss, clip, microbatch_size=microbatch)(PARAMS, batch_of(examples))


def test_inputs_and_labels_of_different_lengths_are_refused():
    batch = {"x": jnp.ones((4, 4)), "y": jnp.ones(3)}
    with pytest.raises(ValueError, match=r"x: \(4, 4\), y: \(3,\)"):
        clipped_grad(loss, RegionClip(REGIONS, "protect", 1.0))(PARAMS, batch)
