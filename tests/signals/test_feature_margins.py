"""Margins of probes on features, against probes that are fitted again without each example."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Digits
from pptp_jax.models import Model, Variables, cnn, mlp
from pptp_jax.signals import feature_margins

DATA = Arrays.of(Digits().load(lambda n: np.arange(60)))
ROWS = jnp.arange(5, 45)


def fleet_of(model: Model, models: int = 2) -> Variables:
    keys = jax.random.split(jax.random.key(0), models)
    return jax.vmap(model.init, in_axes=(0, None))(keys, DATA.inputs(slice(0, 1)))


def naive(features: np.ndarray, labels: np.ndarray, ridge: float) -> np.ndarray:
    """One fit an example, on all the others."""
    x = features.reshape(len(features), -1).astype(float)
    x = x - x.mean(axis=0)
    y = np.eye(10)[labels]
    penalty = ridge * (x**2).sum() / x.shape[1]
    found = []
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        fit = np.linalg.solve(
            x[others].T @ x[others] + penalty * np.eye(x.shape[1]),
            x[others].T @ (y - y.mean(axis=0))[others],
        )
        answer = x[i] @ fit + y.mean(axis=0)
        found.append(answer[labels[i]] - np.delete(answer, labels[i]).max())
    return np.array(found)


@pytest.mark.parametrize("model", [mlp([50, 6], 10), cnn([3], 5, 10)], ids=["mlp", "cnn"])
@pytest.mark.parametrize("ridge", [0.01, 1.0])
def test_margins_are_those_of_fits_without_the_example(model: Model, ridge: float) -> None:
    fleet = fleet_of(model)
    found = np.asarray(feature_margins(model, fleet, DATA, ROWS, ridge))
    assert model.features is not None
    assert found.shape == (2, len(model.blocks), 40)
    for i in range(2):
        own = jax.tree.map(lambda leaf, i=i: leaf[i], fleet)
        seen = model.features(*own, DATA.inputs(ROWS))
        for block, features in enumerate(seen):
            expected = naive(np.asarray(features), np.asarray(DATA.y[ROWS]), ridge)
            np.testing.assert_allclose(found[i, block], expected, rtol=2e-3, atol=2e-3)


def test_features_that_name_the_class_are_found_out() -> None:
    def init(key, x):
        return Variables({"w": jnp.zeros(())}, {})

    def features(params, state, x):
        return (jax.nn.one_hot(DATA.y[ROWS], 10), jnp.ones((len(x), 1)))

    def apply(params, state, x, *, train, key):
        return jnp.zeros((len(x), 10)), state

    model = Model(init, apply, features=features)
    named, silent = np.asarray(feature_margins(model, fleet_of(model, 1), DATA, ROWS))[0]
    assert named.min() > 0.8
    assert (silent < 0.2).all()


def test_a_model_that_lets_nobody_look_inside_is_refused() -> None:
    model = Model(lambda key, x: Variables({"w": jnp.zeros(())}, {}), lambda *args, **kw: args)
    with pytest.raises(ValueError, match="does not let its features be seen"):
        feature_margins(model, fleet_of(model), DATA, ROWS)
    with pytest.raises(ValueError, match="ridge must be a finite number above 0"):
        feature_margins(mlp([4], 10), fleet_of(mlp([4], 10)), DATA, ROWS, -1.0)
