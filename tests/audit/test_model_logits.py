"""Logits of a user's own models: the forms of each library, and answers that are refused."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from pptp_jax.audit import audit_model
from pptp_jax.audit.model_logits import ModelLogits

pytestmark = pytest.mark.usefixtures("compile_in_haste")

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(21, 6)).astype(np.float32), RNG.integers(0, 3, 21)
WEIGHTS = RNG.normal(size=(6, 3)).astype(np.float32)


@pytest.mark.parametrize("batch_size", [1, 2, 8, 21, 100])
def test_answers_do_not_depend_on_the_batches(batch_size):
    ask = ModelLogits(lambda w, x: x @ w, X, batch_size)
    ask.check_alone(WEIGHTS)
    np.testing.assert_allclose(ask(WEIGHTS), X @ WEIGHTS, atol=1e-5)


def test_what_is_no_array_in_a_model_stays_as_it_is():
    mlp = eqx.nn.MLP(6, 3, 5, 1, key=jax.random.key(0))
    ask = ModelLogits(lambda model, x: jax.vmap(model)(x), X, 8)
    np.testing.assert_allclose(ask(mlp), jax.vmap(mlp)(jnp.asarray(X)), atol=1e-5)
    linear = nnx.Linear(6, 3, rngs=nnx.Rngs(0))
    ask = ModelLogits(lambda model, x: model(x), X, 8)
    np.testing.assert_allclose(ask(linear), linear(jnp.asarray(X)), atol=1e-5)
    scaled = {"w": WEIGHTS, "times": 2.0, "activation": jnp.abs, "name": "mine", "none": None}
    ask = ModelLogits(lambda p, x: p["activation"](x @ p["w"]) * p["times"], X, 8)
    np.testing.assert_allclose(ask(scaled), 2 * np.abs(X @ WEIGHTS), atol=1e-5)


def test_shadows_of_equinox_are_audited_in_either_form():
    own = np.arange(21) < 10
    splits = np.stack([np.roll(own, 3), np.roll(own, 7)])
    models = [eqx.nn.MLP(6, 3, 5, 1, key=jax.random.key(i)) for i in range(3)]
    arrays = [eqx.filter(model, eqx.is_array) for model in models[1:]]
    stacked = eqx.combine(jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays), models[1])
    found = [
        audit_model(
            lambda model, x: jax.vmap(model)(x),
            models[0],
            (X[:10], Y[:10]),
            (X[10:], Y[10:]),
            shadows=shadows,
            attacks=("loss", "attack_r"),
            resamples=5,
        )["data"]["fingerprint"]
        for shadows in ([*zip(models[1:], splits, strict=True)], (stacked, splits))
    ]
    assert found[0] == found[1]


def test_logits_of_half_precision_are_taken():
    half = WEIGHTS.astype(jnp.bfloat16)
    ask = ModelLogits(lambda w, x: x.astype(jnp.bfloat16) @ w, X, 8)
    ask.check_alone(half)
    np.testing.assert_allclose(ask(half), X @ WEIGHTS, atol=0.1)
    assert ask(half).dtype == np.float32


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (lambda w, x: (x @ w, {"batch_stats": {}}), "got a tuple of 2: .* without `mutable`"),
        (lambda w, x: [x @ w], r"got a list of 1: .* lambda params, x: apply\(params, x\)\[0\]"),
        (
            lambda w, x: {"logits": x @ w, "hidden": x},
            r"got a mapping with 'logits', 'hidden': .* apply\(params, x\)\['logits'\]",
        ),
        (lambda w, x: None, "got a NoneType: give its logits alone"),
        (lambda w, x: x[:, 0], r"of shape \(batch, classes\) = \(8, ...\), got \(8,\)"),
        (lambda w, x: (x @ w)[0:1], r"got \(1, 3\)"),
    ],
)
def test_what_is_more_or_less_than_logits(apply, message):
    with pytest.raises(ValueError, match=message):
        ModelLogits(apply, X, 8)(WEIGHTS)


class Normed(nn.Module):
    """Batch norm before a layer; `train` as in Flax's own examples."""

    @nn.compact
    def __call__(self, x, train):
        normed = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(3)(nn.Dropout(0.5, deterministic=True)(normed))


class Dropped(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(3)(nn.Dropout(0.5, deterministic=not train)(x))


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
@pytest.mark.parametrize("model", [Normed(), Dropped()], ids=["batch norm", "dropout"])
def test_models_in_training_mode_are_refused(model, batch_size):
    """What batch norm answers depends on the batch; dropout by one key, on the place in it."""
    variables = model.init(jax.random.key(0), jnp.asarray(X), train=False)

    def apply(variables, x, train):
        out, _ = model.apply(
            variables, x, train, mutable=["batch_stats"], rngs={"dropout": jax.random.key(1)}
        )
        return out

    ModelLogits(lambda v, x: apply(v, x, train=False), X, batch_size).check_alone(variables)
    with pytest.raises(ValueError, match=r"differently beside other examples: .* in eval mode"):
        audit_model(
            lambda v, x: apply(v, x, train=True),
            variables,
            (X[:10], Y[:10]),
            (X[10:], Y[10:]),
            batch_size=batch_size,
        )


def test_inputs_that_no_model_sees_are_refused():
    far = X.astype(float)
    far[4, 2] = 1e39
    with pytest.raises(ValueError, match=r"inputs must lie within .* 1 of 126 values do not"):
        audit_model(lambda w, x: x @ w, WEIGHTS, (far[:10], Y[:10]), (far[10:], Y[10:]))
