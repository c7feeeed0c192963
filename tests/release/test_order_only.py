"""What HAMP's release tells: the order of the classes, and numbers that are not the input's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pptp_jax.release import OrderOnly

BATCH, CLASSES, FEATURES = 5, 4, 6
WEIGHTS = jax.random.normal(jax.random.key(7), (FEATURES, CLASSES))
INPUTS = jnp.zeros((BATCH, FEATURES))
# Few different numbers, so that many are equal.
TIED = arrays(np.float32, (BATCH, CLASSES), elements=st.sampled_from([-1.0, 0.0, 2.5]))


def predict(x: jax.Array) -> jax.Array:
    return x @ WEIGHTS


@jax.jit
def release(how: OrderOnly, logits: jax.Array, key: jax.Array) -> jax.Array:
    return how(predict, INPUTS, logits, key)


def naive_release(random_input: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """The published loop, with equal logits distinguished by their class."""
    answer = sorted(np.asarray(predict(jnp.asarray(random_input))).tolist(), reverse=True)
    ranked = sorted(range(len(logits)), key=lambda c: (-logits[c], c))
    told = np.zeros(len(logits), np.float32)
    for value, place in zip(answer, ranked, strict=True):
        told[place] = value
    return told


@given(TIED, st.integers(0, 100))
def test_the_order_is_the_true_one_and_the_numbers_are_another_inputs(logits, seed: int) -> None:
    key = jax.random.key(seed)
    told = np.asarray(release(OrderOnly(), jnp.asarray(logits), key))
    random_inputs = np.asarray(jax.random.uniform(key, INPUTS.shape))
    assert (told.argmax(1) == logits.argmax(1)).all()
    for row, true, random_input in zip(told, logits, random_inputs, strict=True):
        for a in range(CLASSES):
            for b in range(CLASSES):
                assert true[a] <= true[b] or row[a] >= row[b]
        np.testing.assert_allclose(row, naive_release(random_input, true), rtol=1e-5, atol=1e-6)


def test_answers_depend_on_the_key_and_on_the_order_alone() -> None:
    logits = jax.random.normal(jax.random.key(0), (BATCH, CLASSES))
    key, other = jax.random.split(jax.random.key(1))
    told = release(OrderOnly(), logits, key)
    np.testing.assert_array_equal(told, release(OrderOnly(), jnp.exp(3 * logits) - 7, key))
    assert float(jnp.abs(told - release(OrderOnly(), logits, other)).min()) > 0
    assert len(np.unique(np.asarray(told))) == BATCH * CLASSES


@pytest.mark.parametrize(
    ("how", "low", "high", "kinds"),
    [
        (OrderOnly(kind="binary"), 0, 1, 2),
        (OrderOnly(), 0, 1, 1000),
        (OrderOnly(low=-2.0, high=3.0), -2, 3, 1000),
    ],
    ids=["binary", "real", "another range"],
)
def test_random_inputs(how: OrderOnly, low: float, high: float, kinds: int) -> None:
    seen = []

    def spy(x: jax.Array) -> jax.Array:
        seen.append(np.asarray(x))
        return jnp.zeros((len(x), CLASSES))

    x = jnp.full((200, 3, 4), 0.5)
    how(spy, x, jnp.zeros((200, CLASSES)), jax.random.key(0))
    (drawn,) = seen
    assert drawn.shape == x.shape and drawn.dtype == x.dtype
    assert drawn.min() >= low and drawn.max() <= high
    assert min(len(np.unique(drawn)), 1000) == kinds
    assert drawn.mean() == pytest.approx((low + high) / 2, abs=0.05 * (high - low))


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="kind 'bits' is unknown"):
        OrderOnly(kind="bits")
    with pytest.raises(ValueError, match=r"low must be below high, got 1.0 and 0.5"):
        OrderOnly(low=1.0, high=0.5)
