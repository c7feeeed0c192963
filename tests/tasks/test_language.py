"""The signals of the task `Language`, against plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from pptp_jax.data import Dataset, Topics
from pptp_jax.tasks import Batch, Language, Regression
from pptp_jax.tasks.language import token_moments

TASK = Language()
RNG = np.random.default_rng(0)
LOGITS = np.float32(3 * RNG.normal(size=(5, 7, 11)))
TARGETS = np.int32(RNG.integers(11, size=(5, 7)))
TARGETS[0, 4:] = -1
TARGETS[1, 1:] = -1
BATCH = Batch(jnp.zeros((5, 7), jnp.int32), jnp.asarray(TARGETS))


def naive() -> dict[str, np.ndarray]:
    """Each number of each token by itself, in double precision."""
    shape = TARGETS.shape
    floats = ("token_log_prob", "token_mean", "token_deviation")
    found = {name: np.zeros(shape) for name in floats}
    found |= {name: np.zeros(shape, bool) for name in ("token_first", "token_present")}
    for place in np.argwhere(TARGETS >= 0):
        at = tuple(place)
        log_p = log_softmax(np.float64(LOGITS[at]))
        p = np.exp(log_p)
        found["token_log_prob"][at] = log_p[TARGETS[at]]
        found["token_mean"][at] = (p * log_p).sum()
        found["token_deviation"][at] = np.sqrt((p * log_p**2).sum() - (p * log_p).sum() ** 2)
        found["token_first"][at] = log_p[TARGETS[at]] == log_p.max()
        found["token_present"][at] = True
    return found


def test_signals_of_tokens_are_their_definitions() -> None:
    expected = naive()
    assert {s.name for s in TASK.signals} == {"confidence", "log_prob", *expected}
    for name, numbers in expected.items():
        signal = TASK.signal(name)
        assert signal.axes == ("models", "queries", "examples", "tokens")
        for example in range(len(TARGETS)):
            # An example's answers have a row a query.
            seen = signal.reduce(LOGITS[example : example + 1], jnp.asarray(TARGETS[example]))
            assert seen.dtype == (np.float32 if numbers.dtype == float else bool)
            np.testing.assert_allclose(seen[0], numbers[example], rtol=2e-5, atol=2e-5)


def test_a_sequence_is_the_mean_of_its_own_tokens() -> None:
    log_p = naive()["token_log_prob"]
    means = [row[there].mean() for row, there in zip(log_p, TARGETS >= 0, strict=True)]
    targets = BATCH.targets
    np.testing.assert_allclose(TASK.log_prob(LOGITS, targets), means, rtol=1e-5)
    np.testing.assert_allclose(TASK.losses(LOGITS, BATCH), np.negative(means), rtol=1e-5)
    np.testing.assert_allclose(TASK.utility(LOGITS, targets), -np.array(means) / np.log(2), 1e-5)
    odds = np.log(np.exp(means) / (1 - np.exp(means)))
    np.testing.assert_allclose(TASK.confidence(LOGITS, targets), odds, rtol=1e-5)
    again = TASK.signal("log_prob").derive(TASK.confidence(LOGITS, targets))
    np.testing.assert_allclose(again, means, rtol=1e-5)


def test_what_has_no_token_counts_nowhere() -> None:
    other = LOGITS.copy()
    other[TARGETS < 0] = 50 * RNG.normal(size=((TARGETS < 0).sum(), 11))
    for of in ("confidence", "log_prob", "utility"):
        before, after = (getattr(TASK, of)(x, BATCH.targets) for x in (LOGITS, other))
        np.testing.assert_array_equal(before, after)
    gradient = jax.grad(lambda x: TASK.losses(x, BATCH).sum())(jnp.asarray(LOGITS))
    assert (np.abs(gradient).max(-1) > 0).tolist() == (TARGETS >= 0).tolist()


@pytest.mark.parametrize("gap", [30.0, 100.0, 1000.0])
def test_a_memorised_sequence_has_a_finite_confidence(gap: float) -> None:
    logits = jnp.zeros((1, 3, 2)).at[..., 0].set(gap)
    targets = jnp.zeros((1, 3), jnp.int32)
    confidence = float(TASK.confidence(logits, targets)[0])
    assert confidence == pytest.approx(min(gap, 87.3), abs=0.1)
    assert np.isfinite(TASK.losses(logits, Batch(targets, targets))).all()


def test_a_token_that_is_ruled_out_adds_nothing_to_the_moments() -> None:
    logits = jnp.array([[[0.0, 0.0, -jnp.inf]]])
    mean, deviation = token_moments(logits, jnp.zeros((1, 1), jnp.int32))
    assert float(mean[0, 0]) == pytest.approx(-np.log(2)) and float(deviation[0, 0]) == 0


DATA = Topics(length=4).load(lambda rows: np.arange(2))


@pytest.mark.parametrize(
    ("task", "shape", "data", "message"),
    [
        (TASK, (1, 4, 256), DATA, r"\(batch, 4, 257 or more\); it returns shape \(1, 4, 256\)"),
        (TASK, (1, 5, 257), DATA, r"must return logits of shape \(batch, 4, 257"),
        (TASK, (1, 4), DATA, r"it returns shape \(1, 4\)"),
        (TASK, (1, 2), Dataset("a", np.eye(2), np.eye(2), np.arange(2), None), "a has no next tok"),
        (Regression(), (1, 4), DATA, "has a vocabulary, and regression is of numbers"),
    ],
)
def test_what_does_not_fit_is_refused(task, shape, data, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        task.check(np.zeros(shape), data)
    TASK.check(np.zeros((1, 4, 300)), DATA)
