"""RegionClip: against a loop over examples, and the bound that it promises."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jax_privacy.clipping import clip_pytree

from pptp_jax.regions import RegionMap
from pptp_jax.transforms import RegionClip

REGIONS = RegionMap.from_rules([("a", "one"), ("b", "two"), ("c", "three")])
EXAMPLES = 4
SHAPES = {"a": (), "b": (3,), "c": (2, 2)}
CHOICES = [("one",), ("two",), ("one", "three"), ("one", "two", "three")]


def naive_sum(clip, gradients, present):
    """One example after the other, in float64."""
    total = {name: np.zeros(SHAPES[name]) for name in gradients}
    for i in np.flatnonzero(present):
        example = {name: np.float64(g[i]) for name, g in gradients.items()}
        norm = {name: np.linalg.norm(g) for name, g in example.items()}
        for name, label in zip("abc", REGIONS.names, strict=True):
            if not clip.jointly and label not in clip.labels:
                total[name] += example[name]
                continue
            own = np.sqrt(sum(n**2 for n in norm.values())) if clip.jointly else norm[name]
            if np.isfinite(own):
                total[name] += example[name] * min(1, clip.max_norm / own if own else 1)
    return total


def private_part(clip, tree):
    kept = [name for name, label in zip("abc", REGIONS.names, strict=True) if label in clip.labels]
    return np.concatenate([np.ravel(np.float64(tree[name])) for name in kept])


@st.composite
def cases(draw, hostile=False):
    """A rule and a batch; a hostile one holds NaN, infinities and overflowing norms."""
    values = st.floats(-8, 8, width=32)
    if hostile:
        values |= st.sampled_from([np.nan, np.inf, -np.inf, 3e38, 1e-38])
    gradients = {
        name: draw(hnp.arrays(np.float32, (EXAMPLES, *shape), elements=values))
        for name, shape in SHAPES.items()
    }
    clip = RegionClip(
        REGIONS, draw(st.sampled_from(CHOICES)), draw(st.floats(0.01, 20)), draw(st.booleans())
    )
    present = draw(hnp.arrays(np.bool_, EXAMPLES))
    return clip, gradients, present


@settings(max_examples=20, deadline=None)
@given(cases())
def test_equals_a_loop_over_examples(case):
    clip, gradients, present = case
    total = clip.sum(gradients, jnp.asarray(present))
    expected = naive_sum(clip, gradients, present)
    for name in SHAPES:
        assert total[name].shape == SHAPES[name]
        np.testing.assert_allclose(total[name], expected[name], rtol=1e-5, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(cases(hostile=True), st.data())
def test_one_example_changes_the_private_sums_by_no_more_than_the_sensitivity(case, data):
    clip, gradients, _ = case
    i = data.draw(st.integers(0, EXAMPLES - 1))
    everyone = private_part(clip, clip.sum(gradients))
    without = {name: np.delete(g, i, axis=0) for name, g in gradients.items()}
    removed = private_part(clip, clip.sum(without))
    masked = private_part(clip, clip.sum(gradients, jnp.arange(EXAMPLES) != i))
    other = {name: g.at[i].set(7) for name, g in jax.tree.map(jnp.asarray, gradients).items()}
    replaced = private_part(clip, clip.sum(other))
    assert np.isfinite(everyone).all()
    slack = 1e-5 * clip.sensitivity * EXAMPLES
    assert np.linalg.norm(everyone - removed) <= clip.sensitivity + slack
    assert np.linalg.norm(everyone - masked) <= clip.sensitivity + slack
    assert np.linalg.norm(everyone - replaced) <= 2 * clip.sensitivity + slack


@pytest.mark.parametrize("jointly", [False, True])
@pytest.mark.parametrize("label", CHOICES)
def test_the_sensitivity_is_attained(label, jointly):
    clip = RegionClip(REGIONS, label, 2.0, jointly)
    owned = {name: own in label for name, own in zip("abc", REGIONS.names, strict=True)}
    large = {n: jnp.full((1, *s), 1e6 if owned[n] else 0.0) for n, s in SHAPES.items()}
    change = np.linalg.norm(private_part(clip, clip.sum(large)))
    np.testing.assert_allclose(change, clip.sensitivity, rtol=1e-5)
    assert clip.sensitivity == pytest.approx(2.0 if jointly else 2.0 * len(label) ** 0.5)


@settings(max_examples=15, deadline=None)
@given(cases(), st.randoms())
def test_the_order_of_the_examples_does_not_matter(case, random):
    clip, gradients, present = case
    order = np.arange(len(present))
    random.shuffle(order)
    first = clip.sum(gradients, jnp.asarray(present))
    second = clip.sum({n: g[order] for n, g in gradients.items()}, jnp.asarray(present[order]))
    for name in SHAPES:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-5, atol=1e-5)


# jax_privacy 2.0 calls an optax function that optax 0.2.8 deprecates.
@pytest.mark.filterwarnings("ignore:optax.global_norm is deprecated:DeprecationWarning")
def test_joint_clipping_is_that_of_jax_privacy():
    rng = np.random.default_rng(0)
    gradients = {
        n: jnp.asarray(rng.normal(size=(6, *s)) * 3, jnp.float32) for n, s in SHAPES.items()
    }
    clipped, _ = jax.vmap(lambda g: clip_pytree(g, clip_norm=1.5))(gradients)
    expected = {name: g.sum(0) for name, g in clipped.items()}
    total = RegionClip(REGIONS, REGIONS.names, 1.5, jointly=True).sum(gradients)
    for name in SHAPES:
        np.testing.assert_allclose(total[name], expected[name], rtol=1e-5)


def test_half_precision_is_summed_in_single():
    clip = RegionClip(RegionMap.from_rules([("w", "all")]), "all", max_norm=100.0)
    total = clip.sum({"w": jnp.ones((4096, 1), jnp.bfloat16)})
    assert total["w"].dtype == jnp.float32
    np.testing.assert_array_equal(total["w"], [4096.0])


def test_an_empty_batch_sums_to_zero():
    clip = RegionClip(REGIONS, "one", 1.0)
    total = clip.sum({name: jnp.ones((0, *shape)) for name, shape in SHAPES.items()})
    assert {name: float(jnp.abs(x).sum()) for name, x in total.items()} == dict.fromkeys("abc", 0)


@pytest.mark.parametrize(
    ("label", "max_norm", "message"),
    [
        ("fore", 1.0, "label 'fore' is unknown.*'one', 'two', 'three'"),
        ((), 1.0, "at least one private region, got none; the map has one, two, three"),
        ("one", -1.0, "max_norm must be a finite number above 0, got -1.0"),
        ("one", float("inf"), "max_norm must be a finite number above 0, got inf"),
    ],
)
def test_a_wrong_rule_is_refused(label, max_norm, message):
    with pytest.raises(ValueError, match=message):
        RegionClip(REGIONS, label, max_norm)


@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        ({"a": 4, "b": (4, 3), "c": (5, 2, 2)}, r"a: \(4,\), b: \(4, 3\), c: \(5, 2, 2\)"),
        ({"a": (), "b": (4, 3), "c": (4, 2, 2)}, r"same leading axis.*a: \(\)"),
    ],
)
def test_a_wrong_leading_axis_is_refused(gradients, message):
    with pytest.raises(ValueError, match=message):
        RegionClip(REGIONS, "one", 1.0).sum({n: jnp.ones(s) for n, s in gradients.items()})


def test_a_mask_of_another_length_is_refused():
    gradients = {name: jnp.ones((4, *shape)) for name, shape in SHAPES.items()}
    with pytest.raises(ValueError, match=r"shape \(4,\), got \(3,\)"):
        RegionClip(REGIONS, "one", 1.0).sum(gradients, jnp.ones(3, bool))


def test_integer_gradients_are_refused():
    clip = RegionClip(RegionMap.from_rules([("w", "all")]), "all", 1.0)
    with pytest.raises(ValueError, match="real floating-point arrays, got one of int32"):
        clip.sum({"w": jnp.ones((2, 1), jnp.int32)})
