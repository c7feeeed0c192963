"""A data set as it is put on a device."""

import numpy as np

from pptp_jax.data import Arrays, Dataset


def test_numbers_in_another_order_of_bytes_are_the_same_numbers() -> None:
    x, y, ids = np.arange(6, dtype=">f4").reshape(3, 2), np.array([0, 1, 1], ">i4"), np.arange(3)
    arrays = Arrays.of(Dataset("swapped", x, y, ids, 2))
    np.testing.assert_array_equal(arrays.x, x)
    np.testing.assert_array_equal(arrays.y, y)
