"""Queries against flips and shifts one pixel at a time."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.signals import FLIP, IDENTITY, Query, check_queries, shift


def reflected(place: int, size: int) -> int:
    """Where a mirror at the outermost pixels' centres finds what lies at a place."""
    if place < 0:
        return -place
    return place if place < size else 2 * (size - 1) - place


def naive(images: np.ndarray, query: Query) -> np.ndarray:
    found = np.empty_like(images)
    _, height, width, _ = images.shape
    for row in range(height):
        for column in range(width):
            above = reflected(row - query.dy, height)
            left = reflected(column - query.dx, width)
            if query.flip:
                left = width - 1 - left
            found[:, row, column] = images[:, above, left]
    return found


@given(st.booleans(), st.integers(-3, 3), st.integers(-4, 4))
def test_a_query_moves_every_pixel_to_its_place(flip: bool, dy: int, dx: int) -> None:
    images = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32)
    query = Query(flip=flip, dy=dy, dx=dx)
    np.testing.assert_array_equal(query(jnp.array(images)), naive(images, query))


def test_the_single_moves() -> None:
    image = jnp.arange(6.0).reshape(1, 2, 3, 1)
    assert IDENTITY(image) is image
    np.testing.assert_array_equal(FLIP(image), np.asarray(image)[:, :, ::-1])
    np.testing.assert_array_equal(shift(1, 0)(image)[0, 1], image[0, 0])
    np.testing.assert_array_equal(shift(0, -1)(image)[:, :, :2], image[:, :, 1:])


def test_names_tell_queries_apart() -> None:
    every = [Query(flip=f, dy=y, dx=x) for f in (False, True) for y in (-1, 0) for x in (0, 2)]
    assert len({query.name for query in every}) == len(every)
    assert [q.name for q in (IDENTITY, FLIP, shift(1, -2), Query(flip=True, dy=3))] == [
        "identity",
        "flip",
        "shift(1, -2)",
        "flip shift(3, 0)",
    ]


def test_the_identity_suits_any_data() -> None:
    check_queries((IDENTITY,), (30,))
    check_queries((IDENTITY, FLIP, shift(3, 4)), (4, 5, 1))
    assert IDENTITY(jnp.ones((2, 30))).shape == (2, 30)


@pytest.mark.parametrize(
    ("queries", "shape", "message"),
    [
        ((), (4, 5, 1), "query 0 must be 'identity', which gives the accuracy; got no query"),
        ((FLIP,), (4, 5, 1), "query 0 must be 'identity', .* got 'flip'"),
        ((IDENTITY, FLIP, FLIP), (4, 5, 1), "must be another one, got identity, flip, flip"),
        ((IDENTITY, shift(0, 0)), None, "must be another one, got identity, identity"),
        ((IDENTITY, FLIP), (30,), r"'flip' needs images .*; the examples have shape \(30,\)"),
        ((IDENTITY, shift(4, 0)), (4, 5, 1), r"'shift\(4, 0\)' needs images .* than the shift"),
    ],
)
def test_bad_queries(queries, shape, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_queries(queries, shape)


def test_a_query_refuses_what_is_no_image() -> None:
    with pytest.raises(ValueError, match=r"needs images of shape \(height, width, channels\)"):
        shift(1, 1)(jnp.ones((2, 30)))
