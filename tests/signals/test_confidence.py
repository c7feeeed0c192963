"""The confidence to full precision."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.tasks import logit_scaled_confidence


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
