"""The attacks on inputs, against closed forms of linear models and a plain loop."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from pptp_jax.robustness import Ball, ascent, fgsm, pgd
from pptp_jax.robustness.ball import NORMS

RNG = np.random.default_rng(0)
DUAL = {"linf": 1, "l2": 2}


def attacks(predict, norm: str, low: float, high: float):
    """FGSM, and PGD from random starts, compiled once for all radii and numbers of steps."""

    @jax.jit
    def both(epsilon, x, labels, steps, pace):
        ball = Ball(epsilon=epsilon, low=low, high=high, norm=norm)
        start = jax.vmap(ball.draw)(jax.random.split(jax.random.key(1), len(x)), x)
        found = pgd(predict, x, labels, ball, start, steps=steps, pace=pace)
        return fgsm(predict, x, labels, ball), found

    return both


def linear(examples: int = 60, features: int = 5):
    """Two classes, and the margins by which their labels win."""
    weights = RNG.normal(size=(features, 2)).astype(np.float32)
    x = RNG.normal(size=(examples, features)).astype(np.float32)
    labels = (x @ weights).argmax(axis=1)
    labels[::7] = 1 - labels[::7]
    normal = weights[:, 1] - weights[:, 0]
    return weights, x, labels, normal, np.where(labels == 1, 1, -1) * (x @ normal)


@pytest.mark.parametrize("norm", NORMS)
def test_a_linear_margin_shrinks_by_epsilon_times_the_dual_norm(norm) -> None:
    weights, x, labels, normal, margins = linear()
    attacked = attacks(lambda x: x @ weights, norm, -99.0, 99.0)
    for epsilon in (0.05, 0.3, 1.0):
        shrunk = margins - epsilon * np.linalg.norm(normal, ord=DUAL[norm])
        moved, far = map(np.asarray, attacked(epsilon, x, labels, 20, 20.0))
        for found in (moved, far):
            np.testing.assert_array_equal((found @ weights).argmax(axis=1) == labels, shrunk > 0)
            np.testing.assert_array_equal(found[margins < 0], x[margins < 0])
        # Where the attack fails, the margin that is left is known as well.
        left = np.where(labels == 1, 1, -1) * (moved @ normal)
        np.testing.assert_allclose(left[margins > 0], shrunk[margins > 0], rtol=1e-4, atol=1e-4)


FIRST, SECOND = RNG.normal(size=(6, 9)), RNG.normal(size=(9, 3))


def network(x):
    return jnp.tanh(x.reshape(len(x), -1) @ FIRST.astype(np.float32)) @ SECOND.astype(np.float32)


def naive_gradient(x: np.ndarray, label: int) -> tuple[np.ndarray, bool]:
    """That of softplus(−φ), which is the cross-entropy, by hand in float64; and who wins."""
    hidden = np.tanh(x.ravel() @ FIRST)
    logits = hidden @ SECOND
    probabilities = np.exp(logits - logsumexp(logits))
    back = (probabilities - np.eye(3)[label]) @ SECOND.T
    return ((back * (1 - hidden**2)) @ FIRST.T).reshape(x.shape), logits.argmax() == label


def naive_pgd(x, label, start, epsilon, steps, pace, norm):
    """One example, one step after the other."""
    if not naive_gradient(x, label)[1]:
        return x
    at = start
    for _ in range(steps):
        gradient, right = naive_gradient(at, label)
        if not right:
            return at
        towards = np.sign(gradient) if norm == "linf" else gradient / np.linalg.norm(gradient)
        change = at + pace * epsilon / steps * towards - x
        if norm == "linf":
            change = np.clip(change, -epsilon, epsilon)
        elif np.linalg.norm(change) > epsilon:
            change = change * epsilon / np.linalg.norm(change)
        at = np.clip(x + change, 0, 1)
    return at


@pytest.mark.parametrize("norm", NORMS)
def test_attacks_are_their_naive_twins(norm) -> None:
    x = RNG.random(size=(40, 2, 3, 1)).astype(np.float32)
    labels = RNG.integers(3, size=40)
    attacked = attacks(network, norm, 0.0, 1.0)
    draw = Ball(epsilon=0.15, low=0.0, high=1.0, norm=norm).draw
    start = jax.vmap(draw)(jax.random.split(jax.random.key(1), 40), jnp.asarray(x))
    for steps in (1, 7):
        moved, far = map(np.asarray, attacked(0.15, x, labels, steps, 2.0))
        for i, label in enumerate(labels):
            own, begin = x[i].astype(float), np.asarray(start[i], float)
            twin = naive_pgd(own, label, begin, 0.15, steps, 2.0, norm)
            np.testing.assert_allclose(far[i], twin, atol=2e-5)
            # FGSM is one step that is as long as the radius, from the example itself.
            gradient, right = naive_gradient(own, label)
            size = np.sign(gradient) if norm == "linf" else gradient / np.linalg.norm(gradient)
            twin = np.clip(own + 0.15 * size, 0, 1) if right else own
            np.testing.assert_allclose(moved[i], twin, atol=2e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_attacks_stay_inside_and_never_put_a_label_right(norm) -> None:
    x = RNG.choice([0.0, 1.0, 0.5], size=(80, 6)).astype(np.float32)
    labels = RNG.integers(3, size=80)
    attacked = attacks(network, norm, 0.0, 1.0)
    clean = np.asarray(network(x)).argmax(axis=1) == labels
    before = clean
    for epsilon in (0.0, 0.01, 0.1, 0.4):
        shares = []
        for found in map(np.asarray, attacked(epsilon, x, labels, 10, 2.5)):
            assert found.min() >= 0 and found.max() <= 1
            sizes = np.linalg.norm(found - x, axis=1, ord=np.inf if norm == "linf" else 2)
            assert (sizes <= epsilon + 1e-6).all()
            right = np.asarray(network(found)).argmax(axis=1) == labels
            assert (right <= clean).all()
            if epsilon == 0:
                np.testing.assert_array_equal(found, x)
                np.testing.assert_array_equal(right, clean)
            shares.append(right)
        assert shares[1].sum() <= before.sum() and shares[1].sum() <= shares[0].sum()
        before = shares[1]


def test_a_network_that_is_sure_of_itself_is_no_more_robust_for_it() -> None:
    """The loss's own gradient is zero here to the last bit."""
    weights, x, labels, normal, margins = linear()
    sure = partial(jnp.matmul, b=1e4 * weights)
    labels, ball = jnp.asarray(labels), Ball(epsilon=0.3, low=-99.0, high=99.0)
    found = np.asarray(sure(fgsm(sure, jnp.asarray(x), labels, ball))).argmax(axis=1) == labels
    np.testing.assert_array_equal(found, margins > 0.3 * np.abs(normal).sum())

    def loss(x):
        return -jnp.take_along_axis(jax.nn.log_softmax(sure(x)), labels[:, None], axis=1).sum()

    assert (np.asarray(jax.grad(loss)(jnp.asarray(x)))[margins > 1] == 0).all()
    assert (np.asarray(ascent(sure, jnp.asarray(x), labels)[0]) != 0).all()


def test_small_steps_can_be_caught_where_one_large_step_is_not() -> None:
    """They end in a valley where the margin is least, though it is lost in a gap far away."""

    def predict(x):
        gap = (x[:, 0] > 0.79) & (x[:, 0] < 0.81)
        margin = jnp.where(gap, -1.0, 1 + jnp.abs(x[:, 0] - 0.55))
        return jnp.stack([margin, jnp.zeros_like(margin)], axis=1)

    x, labels, ball = jnp.array([[0.5]]), jnp.array([0]), Ball(epsilon=0.3, low=0.0, high=1.0)
    assert predict(fgsm(predict, x, labels, ball)).argmax() == 1
    assert predict(pgd(predict, x, labels, ball, x, steps=40)).argmax() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be an integer of at least 1, got 0"),
        ({"pace": 0.0}, "pace must be a finite number above 0, got 0.0"),
    ],
)
def test_ways_that_lead_nowhere(change, message: str) -> None:
    x, ball = jnp.ones((1, 6)), Ball(epsilon=0.1, low=0.0, high=1.0)
    with pytest.raises(ValueError, match=message):
        pgd(network, x, jnp.array([0]), ball, x, **change)
