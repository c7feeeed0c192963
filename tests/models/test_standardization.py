"""Models that standardise their inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.models import Model, cnn, in_precision, mlp, rebuilt, standardized

KEY = jax.random.key(0)
MEAN, DEVIATION = [1.0, -2.0, 30.0], [0.5, 4.0, 10.0]
X = 10 * jax.random.normal(KEY, (6, 8, 8, 3)) + 5
SEEN = (np.asarray(X) - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
NORMED = cnn([4], dense=8, num_classes=3, norm="batch")


def test_all_functions_see_standardised_inputs() -> None:
    model = standardized(NORMED, MEAN, DEVIATION)
    variables = model.init(KEY, X)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, NORMED.init(KEY, X))
    for train in (True, False, ("stem",)):
        ours = model.apply(*variables, X, train=train, key=KEY)
        theirs = NORMED.apply(*variables, jnp.array(SEEN), train=train, key=KEY)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours, theirs)
    for name in ("features", "statistics"):
        ours = getattr(model, name)(*variables, X)
        theirs = getattr(NORMED, name)(*variables, jnp.array(SEEN))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours, theirs)
    assert model.blocks == NORMED.blocks


def test_a_gradient_is_that_by_inputs_in_their_own_units() -> None:
    """So a ball round an example keeps its radius, whatever the model divides by."""
    inner = mlp([8], num_classes=3)
    x, deviation = jnp.ones((1, 3)), [0.5, 4.0, 10.0]
    model = standardized(inner, [1.0, 1.0, 1.0], deviation)
    variables = model.init(KEY, x)

    def output(of: Model, x: jax.Array) -> jax.Array:
        return of.apply(*variables, x, train=False, key=None)[0][0, 0]

    ours = jax.grad(lambda x: output(model, x))(x)
    theirs = jax.grad(lambda x: output(inner, x))(x - 1)
    np.testing.assert_allclose(ours, theirs / np.array([deviation], np.float32), rtol=1e-5)


def test_a_model_that_nobody_sees_into_stays_one() -> None:
    blind = Model(init=NORMED.init, apply=NORMED.apply)
    model = standardized(blind, MEAN, DEVIATION)
    assert model.features is None and model.statistics is None


def test_it_is_on_record_and_can_be_wrapped() -> None:
    plain = mlp([4], num_classes=3)
    model = in_precision(standardized(plain, MEAN, DEVIATION), "bfloat16")
    inner = model.config["model"]
    assert (inner["name"], inner["mean"], inner["deviation"]) == ("standardized", MEAN, DEVIATION)
    assert inner["model"] == plain.config
    logits, _ = model.apply(*model.init(KEY, X), X, train=True, key=KEY)
    assert logits.dtype == jnp.float32
    with pytest.raises(ValueError, match="only models built by"):
        rebuilt(standardized(NORMED, MEAN, DEVIATION), dense=4)


@pytest.mark.parametrize(
    ("mean", "deviation", "message"),
    [
        ([0.0], [1.0, 1.0], "as many means as deviations, got 1 and 2"),
        ([0.0], [0.0], r"deviation\[0\] must be a finite number above 0, got 0.0"),
    ],
)
def test_bad_numbers(mean, deviation, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        standardized(NORMED, mean, deviation)


def test_inputs_of_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"standardises 2 channels .* have 3"):
        standardized(NORMED, [0.0, 0.0], [1.0, 1.0]).init(KEY, X)
