"""HAMP's soft labels: their entropy is the threshold, and no smaller share would do."""

import jax
import jax.numpy as jnp
import naive_objectives as naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.objectives.hamp import share_off_the_label

solve = jax.jit(share_off_the_label, static_argnames="classes")


@given(st.floats(0, 1, width=32), st.sampled_from([2, 10, 100]))
def test_the_entropy_of_a_soft_label_is_the_threshold(gamma: float, classes: int) -> None:
    q = float(solve(gamma, classes=classes))
    assert 0 <= q <= 1 - 1 / classes + 1e-6
    threshold = gamma * np.log(classes)
    assert naive.soft_label_entropy(q, classes) == pytest.approx(threshold, abs=2e-6)


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_the_share_is_the_least_one_and_maps_over_thresholds(classes: int) -> None:
    gammas = np.array([0.0, 0.05, 0.5, 0.8, 0.95], np.float32)
    shares = jax.vmap(lambda gamma: share_off_the_label(gamma, classes))(jnp.asarray(gammas))
    known = [naive.least_share(float(gamma), classes) for gamma in gammas]
    np.testing.assert_allclose(shares, known, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("gamma", "classes"), [(0.8, 100), (0.95, 10), (0.5, 30), (0.05, 100)])
def test_the_published_search_in_steps_of_a_hundredth_ends_just_above(gamma, classes) -> None:
    step = 1
    while naive.soft_label_entropy(step / 100, classes) < gamma * np.log(classes):
        step += 1
    assert (step - 1) / 100 < float(solve(gamma, classes=classes)) <= step / 100 + 1e-6
