"""A gradient of any size is clipped to its limit, in its own direction."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pptp_jax.regions import RegionMap, WeightMap
from pptp_jax.transforms import RegionClip, add_region_noise, clip_region_norm
from pptp_jax.transforms.norms import scaled_norm

ALL = RegionMap.from_rules([(".*", "protect")])
# Numbers of 1e-38 to 3e38: what float32 holds to full precision.
sizes = st.floats(2.0**-126, 2.0**127, width=32)
DTYPES = [jnp.float32, jnp.bfloat16, jnp.float16]


@st.composite
def gradients(
    draw: Any, dtype: Any = jnp.float32, least: float = 0.0, most: float = np.inf
) -> dict[str, jax.Array]:
    """Two leaves with entries of about one size, of either sign, and zeros."""
    bounds = jnp.finfo(dtype)
    size = draw(st.floats(max(least, float(bounds.tiny)), min(most, float(bounds.max) / 4)))
    shares = st.floats(-4, 4, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)
    shapes = {"a": (3,), "b": (2, 2)}
    drawn = {
        name: draw(hnp.arrays(np.float32, shape, elements=shares)) for name, shape in shapes.items()
    }
    return {name: jnp.asarray(np.float64(size) * leaf, dtype) for name, leaf in drawn.items()}


def flat(tree: Any) -> np.ndarray:
    return np.concatenate(
        [np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree)]
    )


@jax.jit
def clip(grads: Any, limit: Any) -> Any:
    tx = clip_region_norm(ALL, "protect", limit)
    return tx.update(grads, tx.init(grads))[0]


@jax.jit
def clip_weights(grads: Any, limit: Any) -> Any:
    every = WeightMap.from_masks(
        {"protect": jax.tree.map(lambda g: jnp.ones(g.shape, bool), grads)}
    )
    tx = clip_region_norm(every, "protect", limit)
    return tx.update(grads, tx.init(grads))[0]


@jax.jit
def clip_examples(grads: Any, limit: Any) -> Any:
    """The sum over two examples, of which the second is all zeros."""
    pair = jax.tree.map(lambda g: jnp.stack([g, jnp.zeros_like(g)]), grads)
    return RegionClip(ALL, "protect", limit).sum(pair)


CLIPS = {"leaves": clip, "weights": clip_weights, "examples": clip_examples}


@pytest.mark.parametrize("clipped", CLIPS.values(), ids=CLIPS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_norm_is_at_most_the_limit_and_the_direction_stays(clipped: Any, dtype: Any) -> None:
    ulp = float(jnp.finfo(dtype).eps)

    @given(gradients(dtype), sizes)
    def check(grads: Any, limit: float) -> None:
        before, after = flat(grads), flat(clipped(grads, jnp.float32(limit)))
        norm = np.linalg.norm(before)
        # What is smaller than the precision's least normal number is rounded to zero.
        least = 16 * float(jnp.finfo(dtype).tiny)
        np.testing.assert_array_less(np.linalg.norm(after), limit * (1 + 4 * ulp) + least)
        expected = before * min(1.0, limit / norm) if norm else before
        np.testing.assert_allclose(after, expected, rtol=4 * ulp, atol=least)

    check()


@pytest.mark.parametrize("clipped", CLIPS.values(), ids=CLIPS)
@pytest.mark.parametrize(
    ("entry", "limit", "norm"),
    [
        (0.0, 0.0, 0.0),
        (3.0, 0.0, 0.0),
        (1e20, 1.0, 1.0),
        (3e38, 1e-36, 1e-36),
        (1e38, 3e38, 1e38 * 7**0.5),
        (1e-25, 1e-26, 1e-26),
        (1e-20, 1e-20, 1e-20),
        (2.0**-126, 1.0, 2.0**-126 * 7**0.5),
    ],
)
def test_extreme_gradients(clipped: Any, entry: float, limit: float, norm: float) -> None:
    grads = {"a": jnp.full(3, entry), "b": jnp.full((2, 2), -entry)}
    after = flat(clipped(grads, jnp.float32(limit)))
    np.testing.assert_allclose(np.linalg.norm(after), norm, rtol=1e-6)
    assert (after[:3] >= 0).all()
    assert (after[3:] <= 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_not_hidden(bad: float) -> None:
    """The update of a batch shows it; an example's share of a private sum is zero."""
    grads = {"a": jnp.array([1.0, bad, 0.0]), "b": jnp.ones((2, 2))}
    assert not np.isfinite(flat(clip(grads, jnp.float32(1.0)))).all()
    np.testing.assert_array_equal(flat(clip_examples(grads, jnp.float32(1.0))), 0)


def test_a_limit_of_nan_does_not_pass_the_gradient_on() -> None:
    assert np.isnan(flat(clip({"a": jnp.ones(3)}, jnp.float32(np.nan)))).all()


@given(gradients(least=1e-12, most=1e14))
def test_a_norm_that_fits_is_that_of_the_plain_sum_of_squares_to_the_last_bit(grads: Any) -> None:
    leaves = jax.tree.leaves(grads)
    norm = scaled_norm(leaves)
    plain = jnp.sqrt(sum(jnp.square(leaf).sum() for leaf in leaves))
    assert float(norm.value) == float(plain)


def test_complex_gradients_are_clipped_by_their_absolute_values() -> None:
    after = clip({"a": jnp.array([3e20 + 4e20j])}, jnp.float32(1.0))
    np.testing.assert_allclose(after["a"], [0.6 + 0.8j], rtol=1e-6)


@pytest.mark.parametrize("size", [1e-30, 1e20, 1e37])
def test_relative_noise_is_as_large_as_a_gradient_of_any_size(size: float) -> None:
    grads = {"a": jnp.full(4000, size)}
    tx = add_region_noise(ALL, "protect", 0.5, relative=True)
    noisy, _ = tx.update(grads, tx.init(grads), key=jax.random.key(0))
    added = np.asarray(noisy["a"], np.float64) - np.float64(np.float32(size))
    np.testing.assert_allclose(added.std(), 0.5 * size, rtol=0.05)
