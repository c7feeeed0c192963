"""φ of a sequence is about Gaussian over models, also where they have memorised it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pptp_jax.data import Balanced
from pptp_jax.metrics import normality
from pptp_jax.models import gpt
from pptp_jax.tasks import Batch, Language

MODELS, RECORDS, LENGTH, TOKENS = 32, 24, 6, 32


@pytest.fixture(scope="module")
def log_p() -> np.ndarray:
    """The log-probability of each record under each model of a fleet that knows its members."""
    model, task = gpt(TOKENS, width=16, depth=1, heads=2, context=LENGTH), Language()
    text = jax.random.randint(jax.random.key(0), (RECORDS, LENGTH + 1), 0, TOKENS)
    # No two begin alike: else it depends on which of them are members what is said of either.
    text = text.at[:, 0].set(jnp.arange(RECORDS))
    seen, following = text[:, :-1], text[:, 1:]
    adam = optax.adam(3e-3)

    def trained(key, members):
        variables = model.init(key, seen[:1])
        batch = Batch(seen[members], following[members])

        def step(state, _):
            params, own = state

            def loss(params):
                outputs, _ = model.apply(params, {}, batch.inputs, train=True, key=None)
                return task.losses(outputs, batch).mean()

            updates, own = adam.update(jax.grad(loss)(params), own)
            return (optax.apply_updates(params, updates), own), None

        start = variables.params, adam.init(variables.params)
        (params, _), _ = jax.lax.scan(step, start, length=250)
        outputs, _ = model.apply(params, {}, seen, train=False, key=None)
        return task.log_prob(outputs, following)

    members = jnp.asarray([np.flatnonzero(row) for row in MEMBERSHIP])
    with jax.numpy_dtype_promotion("standard"):  # Adam counts in integers
        return np.asarray(jax.jit(jax.vmap(trained))(KEYS, members))


MEMBERSHIP = Balanced(MODELS).draw(RECORDS, 0).matrix
KEYS = jax.random.split(jax.random.key(1), MODELS)


def test_phi_is_about_gaussian_over_models(log_p: np.ndarray) -> None:
    """And its skewness is nearer to 0 than that of log p, of memorised sequences."""
    phi = log_p - np.log(-np.expm1(log_p))
    assert np.exp(log_p[MEMBERSHIP].mean()) > 0.9 > 0.1 > np.exp(log_p[~MEMBERSHIP].mean())
    for kind in (MEMBERSHIP, ~MEMBERSHIP):
        found = normality(phi, kind)
        assert found.examples == RECORDS and found.rejected < 0.25
        assert abs(found.skewness) < 0.4 and abs(found.kurtosis) < 1.0
    known, plain = normality(phi, MEMBERSHIP), normality(log_p, MEMBERSHIP)
    assert plain.skewness < known.skewness - 0.1


def test_bad_input() -> None:
    values, some = np.zeros((5, 3)), np.ones((5, 3), bool)
    with pytest.raises(ValueError, match=r"values have shape \(5, 3\), and chosen has \(3, 5\)"):
        normality(values, some.T)
    with pytest.raises(ValueError, match="needs four models with different values"):
        normality(values, some)
