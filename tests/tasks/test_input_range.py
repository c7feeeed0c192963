"""The range of inputs that both kinds of generative models have."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.data import Digits
from pptp_jax.tasks import Adversarial, Denoising

TASKS = [(Adversarial, "gan"), (Denoising, "ddpm")]
ENDS = st.integers(-50, 50)


@pytest.mark.parametrize(("kind", "builder"), TASKS)
@given(low=ENDS, length=st.integers(1, 50))
def test_the_ends_become_one_and_all_comes_back(kind, builder, low, length) -> None:
    task = kind(low=float(low), high=float(low + length))
    inputs = np.linspace(task.low, task.high, 5)
    np.testing.assert_allclose(task.scaled(inputs), [-1, -0.5, 0, 0.5, 1], atol=1e-12)
    np.testing.assert_allclose(task.unscaled(task.scaled(inputs)), inputs, atol=1e-12)


@pytest.mark.parametrize(("kind", "builder"), TASKS)
def test_a_range_without_length_and_inputs_beyond_it_are_refused(kind, builder) -> None:
    with pytest.raises(ValueError, match=r"low must be below high, got 2\.0 and 2\.0"):
        kind(low=2.0, high=2.0)
    digits = Digits().load()
    low, high = digits.inputs().min(), digits.inputs().max()
    kind(low=float(low), high=float(high)).check_inputs(digits)
    far = replace(digits, x=np.float32(digits.x) - digits.x.max())
    message = rf"inputs from -1 to 0, and the model was built for 0 to 1: set {builder}\(low="
    with pytest.raises(ValueError, match=message):
        kind().check_inputs(far)
