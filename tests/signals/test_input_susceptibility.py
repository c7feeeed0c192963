"""Susceptibility to inputs against closed forms of logistic regression, and differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Model, Variables, mlp
from pptp_jax.regions import Block
from pptp_jax.signals import flipped_norms, input_susceptibility
from pptp_jax.validation import Refused

FEATURES, ROWS = 5, jnp.arange(6)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, FEATURES)).astype(np.float32)
Y = np.array([0, 1, 1, 0, 1, 0])
DATA = Arrays.of(Dataset("six", X, Y, np.arange(6), 2))
BITS = Arrays.of(Dataset("bits", (X > 0).astype(np.float32), Y, np.arange(6), 2))
# Logits (0, w · x + b): logistic regression, whose derivatives are known.
LOGISTIC = Model(
    init=lambda key, x: Variables({"b": jnp.zeros(()), "w": jnp.zeros(FEATURES)}, {}),
    apply=lambda p, s, x, *, train, key: (
        jnp.stack([0 * (x @ p["w"]), x @ p["w"] + p["b"]], axis=1),
        s,
    ),
    blocks=(Block("stem", "w"), Block("head", "b")),
)
W, B = RNG.normal(size=FEATURES).astype(np.float32), np.float32(0.3)
FLEET = Variables({"b": jnp.asarray([B]), "w": jnp.asarray(W[None])}, {})
P = 1 / (1 + np.exp(-(X @ W + B)))
MLP = mlp([7, 4], num_classes=2)


def random_fleet(models: int = 2) -> Variables:
    def one(key):
        return MLP.init(key, jnp.zeros((1, FEATURES)))

    return jax.vmap(one)(jax.random.split(jax.random.key(1), models))


def naive_norm(
    own: Variables, x: np.ndarray, y: int, names: tuple[str, ...] | None = None
) -> float:
    def loss(params):
        logits, _ = MLP.apply(params, own.state, jnp.asarray(x)[None], train=False, key=None)
        return -jax.nn.log_softmax(logits)[0, y]

    gradient = jax.grad(loss)(own.params)
    if names is not None:
        gradient = {name: gradient[name] for name in names}
    return float(jnp.linalg.norm(ravel_pytree(gradient)[0]))


def test_logistic_regression_has_a_closed_form():
    found = input_susceptibility(LOGISTIC, FLEET, DATA, ROWS)
    length = np.sqrt(1 + (X**2).sum(axis=1))
    np.testing.assert_allclose(found.norms[0], np.abs(P - Y) * length, rtol=1e-5)
    expected = (
        np.sign(P - Y)[:, None] * (P * (1 - P) * length)[:, None] * W
        + (np.abs(P - Y) / length)[:, None] * X
    )
    np.testing.assert_allclose(found.values[0], expected, rtol=1e-4, atol=1e-5)


def test_a_network_s_derivative_is_that_of_differences():
    fleet = random_fleet()
    found = input_susceptibility(MLP, fleet, DATA, ROWS)
    step = 1e-2
    for model in range(2):
        own = jax.tree.map(lambda leaf, model=model: leaf[model], fleet)
        for row in (0, 3):
            for j in range(FEATURES):
                up, down = X[row].copy(), X[row].copy()
                up[j] += step
                down[j] -= step
                slope = naive_norm(own, up, Y[row]) - naive_norm(own, down, Y[row])
                expected = pytest.approx(slope / (2 * step), abs=5e-3)
                assert float(found.values[model, row, j]) == expected


def test_integrated_parts_sum_to_the_difference_of_norms():
    fleet = random_fleet(1)
    own = jax.tree.map(lambda leaf: leaf[0], fleet)
    start = np.full(FEATURES, 0.5, np.float32)
    found = input_susceptibility(MLP, fleet, DATA, ROWS, attribution="integrated", baseline=start)
    for row in range(6):
        difference = naive_norm(own, X[row], Y[row]) - naive_norm(own, start, Y[row])
        assert float(found.values[0, row].sum()) == pytest.approx(difference, abs=2e-3)


def test_inputs_times_gradient_is_that():
    fleet = random_fleet(1)
    plain = input_susceptibility(MLP, fleet, DATA, ROWS).values
    found = input_susceptibility(MLP, fleet, DATA, ROWS, attribution="input_times_gradient")
    np.testing.assert_allclose(found.values, np.asarray(plain) * X, rtol=1e-5, atol=1e-6)


def test_no_attribute_moves_a_clipped_norm():
    norms = np.asarray(input_susceptibility(LOGISTIC, FLEET, DATA, ROWS).norms[0])
    limit = float(np.median(norms))
    found = input_susceptibility(LOGISTIC, FLEET, DATA, ROWS, max_norm=limit)
    plain = input_susceptibility(LOGISTIC, FLEET, DATA, ROWS)
    assert 0 < int(found.clipped.sum()) < len(ROWS)
    np.testing.assert_array_equal(found.clipped[0], norms > limit)
    assert not np.asarray(found.values[0])[norms > limit].any()
    np.testing.assert_array_equal(found.values[0][norms <= limit], plain.values[0][norms <= limit])


def test_a_block_counts_alone():
    found = input_susceptibility(LOGISTIC, FLEET, DATA, ROWS, blocks=("head",))
    np.testing.assert_allclose(found.norms[0], np.abs(P - Y), rtol=1e-5)
    expected = np.sign(P - Y)[:, None] * (P * (1 - P))[:, None] * W
    np.testing.assert_allclose(found.values[0], expected, rtol=1e-4, atol=1e-6)


def test_an_attribute_without_weights_has_susceptibility():
    """It multiplies the gradient of the first layer, whatever the weights there are."""
    w = W.copy()
    w[2] = 0
    fleet = FLEET._replace(params={"b": jnp.asarray([B]), "w": jnp.asarray(w[None])})
    found = np.asarray(input_susceptibility(LOGISTIC, fleet, DATA, ROWS).values[0, :, 2])
    assert (np.sign(found) == np.sign(X[:, 2])).all()


def test_who_is_fitted_perfectly_gives_nothing_away():
    fleet = FLEET._replace(params={"b": jnp.asarray([200.0]), "w": jnp.zeros((1, FEATURES))})
    found = input_susceptibility(LOGISTIC, fleet, DATA, ROWS)
    assert np.isfinite(found.values).all()
    assert not np.asarray(found.values[0])[Y == 1].any() and not found.norms[0][Y == 1].any()


def test_flips_are_the_norms_of_flipped_examples():
    fleet = random_fleet()
    found = flipped_norms(MLP, fleet, BITS, ROWS)
    bits = np.asarray(BITS.x)
    for model in range(2):
        own = jax.tree.map(lambda leaf, model=model: leaf[model], fleet)
        for row in (1, 4):
            before = naive_norm(own, bits[row], Y[row])
            for j in range(FEATURES):
                x = bits[row].copy()
                x[j] = 1 - x[j]
                expected = pytest.approx(naive_norm(own, x, Y[row]) - before, abs=1e-5)
                assert float(found[model, row, j]) == expected
    stem = flipped_norms(MLP, fleet, BITS, ROWS, blocks=("stem",))
    own = jax.tree.map(lambda leaf: leaf[0], fleet)
    x = bits[0].copy()
    x[0] = 1 - x[0]
    change = naive_norm(own, x, Y[0], ("stem",)) - naive_norm(own, bits[0], Y[0], ("stem",))
    assert float(stem[0, 0, 0]) == pytest.approx(change, abs=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(attribution="shap"), "attribution 'shap' is unknown"),
        (dict(max_norm=0.0), "max_norm must be a finite number above 0"),
        (dict(blocks=("tail",)), "block 'tail' is unknown"),
        (dict(baseline=np.zeros(3)), "baseline must have the shape of one example"),
    ],
)
def test_bad_questions_are_refused(wrong, message):
    with pytest.raises(Refused, match=message):
        input_susceptibility(LOGISTIC, FLEET, DATA, ROWS, **wrong)


def test_flips_need_zeros_and_ones():
    with pytest.raises(Refused, match="flips are for inputs of zeros and ones"):
        flipped_norms(LOGISTIC, FLEET, DATA, ROWS)
