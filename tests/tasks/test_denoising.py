"""Denoising: errors by hand, noise that depends on the example alone, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Model, Variables
from pptp_jax.signals import FLIP, IDENTITY, collect
from pptp_jax.tasks import Batch, Denoising
from pptp_jax.tasks.example_noise import content_key
from pptp_jax.tasks.noise_schedule import signal_shares

TASK = Denoising(steps=10, timesteps=(1, 6), draws=3, numbers=4)
X = np.random.default_rng(0).uniform(size=(6, 2, 2, 1)).astype(np.float32)
IDS = np.arange(6)
Y = IDS % 3


def apply(params, state, seen, *, train, key):
    """Says a share of what it sees, which depends on the timestep and the class."""
    share = params * (1 + seen.timesteps + 10 * seen.labels).astype(jnp.float32)
    return share[:, None, None, None] * seen.inputs, state


MODEL = Model(init=lambda key, x: Variables(jnp.float32(0.02), {}), apply=apply, task=TASK)
OWN = Variables(jnp.float32(0.02), {})


answers = jax.jit(MODEL.answering(OWN))


def errors(rows: list[int]) -> np.ndarray:
    return np.asarray(answers(jnp.asarray(X[rows]), jnp.asarray(Y[rows])))


def test_errors_are_those_by_hand() -> None:
    """One image, timestep and draw after the other, in NumPy."""
    left = signal_shares("cosine", 10)
    expected = np.zeros((6, 2))
    for i, image in enumerate(X):
        for k, t in enumerate(TASK.evaluated):
            key = jax.random.fold_in(content_key(jnp.asarray(image)), t)
            found = []
            for noise in np.asarray(jax.random.normal(key, (3, 2, 2, 1))):
                seen = np.sqrt(left[t]) * (2 * image - 1) + np.sqrt(1 - left[t]) * noise
                said = 0.02 * (1 + t + 10 * Y[i]) * seen
                found.append(((said - noise) ** 2).mean())
            expected[i, k] = np.mean(found)
    np.testing.assert_allclose(errors(list(range(6))), expected, rtol=1e-5)


@given(st.permutations(range(6)), st.integers(1, 6))
def test_an_error_depends_on_no_other_example(order: list[int], count: int) -> None:
    rows = order[:count]
    padded = rows + [0] * (6 - count)  # one shape, so one compilation
    np.testing.assert_allclose(errors(padded)[:count], errors(list(range(6)))[rows], rtol=1e-6)


def test_signals_have_one_row_a_timestep() -> None:
    data = Arrays.of(Dataset("images", X, Y, IDS, 3))
    one = jax.jit(lambda: collect(answers, data, task=TASK, batch_size=4))()
    assert {name: array.shape for name, array in one.items()} == {
        "confidence": (2, 6),
        "log_prob": (2, 6),
        "denoising_error": (1, 2, 6),
    }
    e = errors(list(range(6))).T
    np.testing.assert_allclose(one["denoising_error"][0], e, rtol=1e-5)
    np.testing.assert_allclose(one["confidence"], -np.log(e), rtol=1e-4)
    np.testing.assert_allclose(one["log_prob"], -2 * e, rtol=1e-5)
    both = jax.jit(lambda: collect(answers, data, task=TASK, queries=(IDENTITY, FLIP)))()
    np.testing.assert_allclose(both["confidence"][:2], one["confidence"], rtol=1e-5)
    assert both["confidence"].shape == (4, 6)


def test_training_draws_as_many_timesteps_as_the_multiplicity() -> None:
    several = Denoising(steps=10, multiplicity=5)
    batch = Batch(jnp.asarray(X), jnp.asarray(Y))
    seen = []

    def spy(params, state, noisy, *, train, key):
        seen.append(noisy)
        return noisy.inputs, state

    network = Model(init=MODEL.init, apply=spy, task=several)
    found, _ = several.outputs(network, OWN, batch, train=True, key=jax.random.key(1))
    assert found.shape == (6, 5)
    assert len(set(np.asarray(seen[0].timesteps).tolist())) > 5
    np.testing.assert_array_equal(seen[0].labels, np.repeat(Y, 5))


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_noise_grows_until_little_of_an_image_is_left(schedule: str) -> None:
    left = signal_shares(schedule, 100)
    assert (np.diff(left) < 0).all()
    assert left[0] > 0.99 and left[-1] < 1e-3


def test_shares_are_those_of_the_published_schedules() -> None:
    betas = np.linspace(1e-4, 0.02, 1000)
    np.testing.assert_allclose(signal_shares("linear", 1000), np.cumprod(1 - betas))
    of = lambda t: np.cos((t / 50 + 0.008) / 1.008 * np.pi / 2) ** 2  # noqa: E731
    np.testing.assert_allclose(signal_shares("cosine", 50)[:48], of(np.arange(1, 49)) / of(0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Denoising(steps=0), "steps must be"),
        (lambda: Denoising(schedule="square"), "schedule"),
        (lambda: Denoising(steps=5, timesteps=(5,)), "timesteps must be from 0 to 4, got 5"),
        (lambda: Denoising(low=1.0), "low must be below high"),
        (lambda: Denoising(multiplicity=0), "multiplicity must be"),
        (
            lambda: TASK.check(np.zeros((1, 2)), Dataset("d", X, X[:, 0, 0, 0], IDS, None)),
            "d has no classes",
        ),
        (
            lambda: TASK.check(np.zeros((1, 2)), Dataset("d", 3 * X, Y, IDS, 3)),
            "built for 0 to 1: set ddpm",
        ),
        (
            lambda: TASK.check(np.zeros((1, 3)), Dataset("d", X, Y, IDS, 3)),
            r"have shape \(batch, 2\), got \(1, 3\)",
        ),
        (lambda: TASK.teaching(jnp.zeros((1, 2))), "does not teach"),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
