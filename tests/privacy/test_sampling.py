"""Sampling: the numbers that the accountant takes from it."""

import pytest

from pptp_jax.privacy import PoissonSampling, ShuffledBatches


def test_the_rate_is_the_share_of_the_data_in_a_batch():
    assert PoissonSampling.of(batch_size=32, dataset_size=128, steps=3) == PoissonSampling(
        rate=0.25, steps=3
    )


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3)])
def test_an_epoch_begun_counts_as_one(steps, epochs):
    # 100 examples make 3 batches of 32; 4 examples sit out each epoch.
    assert ShuffledBatches(batch_size=32, dataset_size=100, steps=steps).epochs == epochs


@pytest.mark.parametrize("kind", [PoissonSampling.of, ShuffledBatches])
def test_a_batch_larger_than_the_data_is_refused(kind):
    with pytest.raises(ValueError, match="at most dataset_size, got 64 of 32"):
        kind(batch_size=64, dataset_size=32, steps=1)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"rate": 1.5, "steps": 1}, "rate must lie between 0 and 1, got 1.5"),
        ({"rate": 0.5, "steps": 0}, "steps must be an integer of at least 1, got 0"),
    ],
)
def test_wrong_numbers_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        PoissonSampling(**numbers)
