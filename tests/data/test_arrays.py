"""A data set as it is put on a device."""

import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Dataset, Digits
from pptp_jax.models import mlp
from pptp_jax.study import in_units_of
from pptp_jax.training import make_train, undefended


def test_numbers_in_another_order_of_bytes_are_the_same_numbers() -> None:
    x, y, ids = np.arange(6, dtype=">f4").reshape(3, 2), np.array([0, 1, 1], ">i4"), np.arange(3)
    arrays = Arrays.of(Dataset("swapped", x, y, ids, 2))
    np.testing.assert_array_equal(arrays.x, x)
    np.testing.assert_array_equal(arrays.y, y)


def of(x: np.ndarray, scale: float = 1.0) -> Arrays:
    x = x.reshape(-1, 1)
    return Arrays.of(Dataset("x", x, np.arange(len(x)) % 2, np.arange(len(x)), 2, scale))


@pytest.mark.parametrize(
    ("numbers", "stored"),
    [
        ([0, 255], "uint8"),
        ([-1, 127], "int8"),
        ([0, 256], "uint16"),
        ([-129, 0], "int16"),
        ([0, 65536], "int32"),
        ([0, 2**40], "float32"),  # which 32 bits would cut to 0
        ([-(2**31) - 512, 2], "float32"),
    ],
)
@pytest.mark.parametrize("order", ["<i8", ">i8"])
def test_integers_take_as_few_bytes_as_they_need(numbers, stored: str, order: str) -> None:
    x = np.array(numbers, order)
    arrays = of(x, scale=0.5)
    assert str(arrays.x.dtype) == stored
    np.testing.assert_array_equal(arrays.inputs(slice(None))[:, 0], x.astype(np.float32) * 0.5)


def test_what_is_stored_narrowly_stays_what_it_is() -> None:
    for kind in ("bool", "int8", "uint8", "float16", "float32"):
        assert str(of(np.array([0, 1], kind)).x.dtype) == kind


def test_images_are_bytes_on_the_device_and_floats_batch_by_batch() -> None:
    """A program takes bytes, and no array of floats has a row for each example."""
    digits = Digits().load(lambda n: np.arange(90))
    model = in_units_of(mlp([4], num_classes=10), digits, standardize=True)
    train = make_train(model, undefended(1), batch_size=20)
    text = jax.jit(train).lower(jax.random.key(0), Arrays.of(digits), jnp.arange(60)).as_text()
    assert "tensor<90x8x8x1xui8>" in text
    assert re.search(r"gather.*tensor<90x8x8x1xui8>.*-> tensor<20x8x8x1xui8>", text)
    assert re.search(r"convert .*tensor<20x8x8x1xui8>\) -> tensor<20x8x8x1xf32>", text)
    assert not re.search(r"tensor<90x[^>]*f32>", text)


def test_training_on_bytes_is_training_on_the_same_floats() -> None:
    digits = Digits().load(lambda n: np.arange(90))
    floats = Dataset("floats", digits.inputs(), digits.y, digits.ids, 10)
    model = in_units_of(mlp([4], num_classes=10), digits, standardize=True)
    train = jax.jit(make_train(model, undefended(2), batch_size=20))
    ours, theirs = (
        train(jax.random.key(0), Arrays.of(data), jnp.arange(60))[0] for data in (digits, floats)
    )
    chex.assert_trees_all_close(ours, theirs, rtol=1e-5, atol=1e-6)
