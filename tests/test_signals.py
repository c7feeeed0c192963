"""Signals: the confidence to full precision, taken in eval mode."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.data import Digits
from pptp_jax.models import from_linen
from pptp_jax.signals import collect, logit_scaled_confidence
from pptp_jax.training import Arrays


@given(st.integers(0, 10**6), st.sampled_from([0.1, 3.0, 40.0]))
def test_the_confidence_is_the_log_odds_of_the_label(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(5, 4)) * scale, rng.integers(0, 4, 5)
    p = np.exp(np.longdouble(logits))
    own = p[np.arange(5), labels].copy()
    p[np.arange(5), labels] = 0
    known = np.log(own) - np.log(p.sum(axis=1))
    ours = logit_scaled_confidence(jnp.float32(logits), jnp.array(labels))
    np.testing.assert_allclose(ours, np.float64(known), rtol=1e-4, atol=1e-3)


def test_extreme_logits_stay_finite() -> None:
    logits = jnp.array([[3e4, 0.0], [0.0, 3e4], [-3e4, -3e4]])
    ours = logit_scaled_confidence(logits, jnp.array([0, 0, 0]))
    np.testing.assert_allclose(ours, [3e4, -3e4, 0.0])


class Wobbly(nn.Module):
    @nn.compact
    def __call__(self, x, *, train: bool):
        x = x.reshape(x.shape[0], -1)
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(10)(nn.Dropout(0.9, deterministic=not train)(x))


def test_signals_are_taken_in_eval_mode_whatever_the_batch() -> None:
    data = Arrays.of(Digits().load(lambda n: np.arange(30)))
    model = from_linen(Wobbly())
    variables = model.init(jax.random.key(0), data.inputs(slice(0, 2)))
    whole = collect(model, variables, data)
    np.testing.assert_allclose(
        collect(model, variables, data, batch_size=7).confidence, whole.confidence, rtol=1e-5
    )
    logits, _ = model.apply(*variables, data.inputs(slice(None)), train=False, key=None)
    known = logit_scaled_confidence(logits, data.y)
    np.testing.assert_allclose(whole.confidence[0], known, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(whole.correct, logits.argmax(-1) == data.y)
