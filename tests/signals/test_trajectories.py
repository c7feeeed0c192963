"""Signals along a training: of checkpoints, of students; and inputs that others already doubt."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import linear
import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from scipy.stats import entropy

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Variables
from pptp_jax.signals import Transfer, answer_metrics, transferred_inputs
from pptp_jax.tasks import Signal
from pptp_jax.training import (
    SGD,
    distilled_signal,
    distilled_trajectory,
    surrogates,
    transferred_correct,
    transferred_signal,
)

FLEET, DATA, W, X, Y = linear.linear(models=3)
REFERENCE = np.arange(20, 40)
HELD = DATA._replace(reference=jnp.asarray(REFERENCE))
PLAIN = SGD(learning_rate=0.5, momentum=0.0, schedule="constant")


def test_the_metrics_of_an_answer_are_their_formulas() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(7, 4)) * 3, rng.integers(4, size=7)
    found = np.asarray(answer_metrics(jnp.float32(logits), jnp.asarray(labels)))
    for own, label, numbers in zip(logits, labels, found, strict=True):
        p = softmax(own)
        of_others = [p[i] * np.log(1 - p[i]) for i in range(4) if i != label]
        modified = -(1 - p[label]) * np.log(p[label]) - sum(of_others)
        odds = np.log(p[label]) - np.log(1 - p[label])
        twin = [odds, p.max(), p.std(), entropy(p), modified]
        np.testing.assert_allclose(numbers, twin, rtol=1e-4, atol=1e-5)
    sure = np.asarray(answer_metrics(jnp.array([60.0, 0.0]), jnp.array(0)))
    assert np.isfinite(sure).all() and sure[0] == 60


def phi_of(w: np.ndarray, rows: np.ndarray) -> np.ndarray:
    logits = X[rows] @ w
    own = np.arange(len(rows))
    return logits[own, Y[rows]] - logits[own, 1 - Y[rows]]


def test_a_student_is_gradient_descent_on_its_teachers_answers() -> None:
    """A linear student on one batch of all reference examples: every step written out."""
    rows, key = np.arange(12), jax.random.key(5)
    found = distilled_trajectory(
        linear.MODEL, FLEET, HELD, jnp.asarray(rows), key, epochs=4, optimizer=PLAIN
    )
    # All students begin alike, whatever their teacher; one step back gives where.
    assert found.shape == (3, 5, 1, 12)
    begin = student_begin(key)
    for teacher, own in zip(W, np.asarray(found), strict=True):
        np.testing.assert_allclose(own[-1, 0], phi_of(teacher, rows), rtol=1e-4, atol=1e-4)
        w = begin.copy()
        for epoch in range(4):
            x = X[REFERENCE]
            q, p = softmax(x @ teacher, axis=1), softmax(x @ w, axis=1)
            w = w - 0.5 * x.T @ (p - q) / len(x)
            np.testing.assert_allclose(own[epoch, 0], phi_of(w, rows), rtol=1e-3, atol=1e-3)


def student_begin(key) -> np.ndarray:
    """The students' initial values, from a teacher who says nothing and a rate of almost 0."""
    silent = Variables({"w": jnp.zeros((1, 6, 2))}, {})
    still = SGD(learning_rate=1e-9, momentum=0.0, schedule="constant")
    rows = np.arange(12)
    found = distilled_trajectory(
        linear.MODEL, silent, HELD, jnp.asarray(rows), key, epochs=1, optimizer=still
    )
    sign = np.where(Y[rows] == 0, 1, -1)
    # φ = ±x·(w_0 − w_1); the gradient depends on that difference alone.
    difference, *_ = np.linalg.lstsq(X[rows] * sign[:, None], np.asarray(found)[0, 0, 0])
    return np.stack([difference / 2, -difference / 2], axis=1)


def test_a_student_comes_to_its_teacher_and_shares_nothing_with_other_groups() -> None:
    take = partial(
        distilled_trajectory, linear.MODEL, data=HELD, rows=jnp.arange(12), key=jax.random.key(5)
    )
    together = np.asarray(take(FLEET, epochs=60, optimizer=PLAIN))
    alone = take(jax.tree.map(lambda a: a[1:2], FLEET), epochs=60, optimizer=PLAIN)
    np.testing.assert_allclose(together[1:2], alone, rtol=1e-4, atol=1e-4)
    off = np.abs(together[:, :-1] - together[:, -1:]).mean(axis=(0, 2, 3))
    assert off[-1] < 0.3 * off[0]


def test_labels_and_examples_that_are_no_reference_teach_a_student_nothing() -> None:
    rows = jnp.arange(12)
    x = np.array(X)
    x[12:20] += 3
    other = Arrays.of(Dataset("other", x, 1 - Y, np.arange(40), 2), REFERENCE)
    first, second = (
        np.asarray(distilled_trajectory(linear.MODEL, FLEET, data, rows, jax.random.key(5)))
        for data in (HELD, other)
    )
    np.testing.assert_allclose(first, -second, rtol=1e-4, atol=1e-4)  # φ of the other label


SURE = np.array([2.0, 0.0])


def one_sided(slopes: list[float]) -> Variables:
    """Logits (a · x_0, 0): log-odds of class 0 that grow with the first input alone."""
    w = np.zeros((len(slopes), 2, 2), np.float32)
    w[:, 0, 0] = slopes
    return Variables({"w": jnp.asarray(w)}, {})


TRANSFER = Transfer(thresholds=(0.99, 0.8, 0.6, 0.001), epsilon=0.5, budgets=10, steps=1)


def test_an_input_is_moved_until_the_judges_doubt_it_enough() -> None:
    """Down the one input that counts, a tenth of ε at a time; p of the judges falls as known."""
    ends = jnp.float32(-2), jnp.float32(2)
    found = transferred_inputs(
        linear.MODEL,
        one_sided([3.0, 1.0]),
        one_sided([1.0, 2.0]),
        jnp.float32(SURE),
        jnp.array(0),
        ends,
        TRANSFER,
    )
    # ε is half of the range, 2; each budget allows for 0.2 more.
    way = 2 - 0.2 * np.arange(11)
    p = (expit(way) + expit(2 * way)) / 2
    for own, threshold in zip(np.asarray(found), TRANSFER.thresholds, strict=True):
        below = np.flatnonzero(p < threshold)
        first = below[0] if len(below) else 10
        np.testing.assert_allclose(own[0], way[first], atol=1e-5)
        assert own[1] == 0  # no gradient leads anywhere


def test_the_way_of_an_input_is_its_naive_twin() -> None:
    """Momentum, two steps a budget, the mean over sources, and the cut at the inputs' range."""
    transfer = Transfer(thresholds=(0.5, 0.05), epsilon=0.5, budgets=5, steps=2, momentum=0.7)
    ends = jnp.float32(-1.5), jnp.float32(1.5)
    parts = [jax.tree.map(lambda a, p=p: a[p], FLEET) for p in (slice(2), slice(1))]
    pace, moved = 0.5 * 3 / 5, []
    for row in range(8):
        x, label = np.clip(X[row], -1.5, 1.5), int(Y[row])
        own = jnp.float32(x), jnp.array(label), ends, transfer
        found = np.asarray(transferred_inputs(linear.MODEL, *parts, *own))
        at, direction, points = x, np.zeros(6), [x]
        for number in range(1, 6):
            for _ in range(2):
                slopes = [w[:, label] - w[:, 1 - label] for w in W[:2]]
                gradient = np.mean([-a * expit(-a @ at) for a in slopes], axis=0)
                direction = 0.7 * direction + gradient / np.abs(gradient).mean()
                at = x + np.clip(at + pace * np.sign(direction) - x, -number * pace, number * pace)
                at = np.clip(at, -1.5, 1.5)
            points.append(at)
        known = np.array([softmax(point @ W[0])[label] for point in points])
        for point, threshold in zip(found, transfer.thresholds, strict=True):
            below = np.flatnonzero(known < threshold)
            first = below[0] if len(below) else 5
            np.testing.assert_allclose(point, points[first], atol=1e-5)
            moved.append(first)
    assert len(set(moved)) > 3


def test_a_model_that_is_surer_than_its_like_survives_one_query() -> None:
    """A member's margin is larger than the surrogates' allow for: which thresholds, by hand."""
    x = np.array([[2.0, 1.0], [-2.0, 1.0]])
    data = Arrays.of(Dataset("two", x, np.array([0, 1]), np.arange(2), 2))
    own = one_sided([1.0, 1.0, 1.0])

    def shifted(least: float) -> Variables:
        """Says class 0 from x_0 = least up: through the origin, with the second input as 1."""
        return Variables({"w": jnp.float32([[[1.0, 0.0], [-least, 0.0]]])}, {})

    transfer = replace(TRANSFER, thresholds=(0.7, 0.6, 0.4), epsilon=0.8, budgets=40)
    # p = σ(x_0) falls below .7, .6 and .4 at x_0 = .85, .41 and −.41.
    for least, right in ((1.0, [0, 0, 0]), (0.6, [1, 0, 0]), (0.0, [1, 1, 0]), (-1, [1, 1, 1])):
        found = transferred_correct(
            linear.MODEL, shifted(least), own, data, jnp.array([0]), transfer
        )
        assert np.asarray(found)[0, :, 0].tolist() == [bool(one) for one in right]


def test_surrogates_learn_from_reference_examples_alone() -> None:
    x = np.array(X)
    x[:20] += 3
    other = Arrays.of(Dataset("other", x, Y, np.arange(40), 2), REFERENCE)
    train = partial(surrogates, linear.MODEL, key=jax.random.key(2), models=3, epochs=20)
    first, second = train(HELD), train(other)
    np.testing.assert_array_equal(first.params["w"], second.params["w"])
    w = np.asarray(first.params["w"])
    assert not np.allclose(w[0], w[1])
    logits = np.einsum("nf,mfc->mnc", X[REFERENCE], w)
    right = logits.argmax(axis=-1) == Y[REFERENCE]
    assert right.mean() > 0.75
    assert log_softmax(logits, axis=-1).shape == (3, 20, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: distilled_signal(epochs=0), "epochs must be an integer of at least 1"),
        (lambda: transferred_signal(models=1), "models must be an integer of at least 2"),
        (
            lambda: transferred_signal(transfer=Transfer(epsilon=-1.0)),
            "epsilon must be a finite number above 0",
        ),
        (
            lambda: transferred_signal(transfer=Transfer(thresholds=())),
            "thresholds must be at least one, got none",
        ),
        (
            lambda: distilled_trajectory(
                linear.MODEL, FLEET, DATA, jnp.arange(2), jax.random.key(0)
            ),
            "students learn from reference examples, and there are none",
        ),
        (
            lambda: surrogates(linear.MODEL, DATA, jax.random.key(0)),
            "surrogates learn from reference examples, and there are none",
        ),
        (
            lambda: Signal(
                name="mine", axes=("models", "examples"), access="scores", along="confidence"
            ),
            "mine, along stops, needs axes that begin with 'models' and 'stops'",
        ),
        (
            lambda: Signal(name="mine", axes=("models", "examples"), access="scores"),
            "mine needs one of reduce, take, derive and along",
        ),
    ],
)
def test_bad_settings(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
