"""One logit, several labels, classes in order: against naive twins in float64."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import kurtosis, skew

from pptp_jax.data import Dataset
from pptp_jax.metrics import robust_scale
from pptp_jax.tasks import Batch, Binary, Classification, MultiLabel, Ordinal, Regression
from pptp_jax.validation import Refused

X, IDS = np.ones((6, 2), np.float32), np.arange(6)
LOGITS = st.lists(st.floats(-12, 12, width=32), min_size=3, max_size=3)


def naive_labels(logits: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    p = np.where(y > 0, expit(logits), expit(-logits))
    return np.log(np.prod(p)), np.log(p / (1 - p)).sum()


def naive_ordinal(outputs: np.ndarray, label: int) -> tuple[float, float]:
    cuts = [outputs[0]]
    for raw in outputs[1:]:
        cuts.append(cuts[-1] + np.log1p(np.exp(raw)))
    at_most = np.concatenate([[0], expit(np.array(cuts)), [1]])
    p = at_most[label + 1] - at_most[label]
    return np.log(p), np.log(p) - np.log1p(-p)


@given(LOGITS)
@settings(max_examples=50, deadline=None)
def test_one_logit_is_two_of_which_one_is_zero(logits):
    z, y = np.float32(logits)[:, None], np.array([0, 1, 1])
    pair = np.concatenate([np.zeros_like(z), z], axis=1)
    for of in ("confidence", "log_prob"):
        expected = getattr(Classification(), of)(pair, y)
        np.testing.assert_allclose(getattr(Binary(), of)(z, y), expected, rtol=2e-5, atol=1e-6)
    losses = Binary().losses(z, Batch(X[:3], y))
    np.testing.assert_allclose(losses, -np.asarray(Binary().log_prob(z, y)))
    np.testing.assert_array_equal(Binary().utility(z, y), (z[:, 0] > 0) == (y == 1))


@given(LOGITS, st.lists(st.booleans(), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_several_labels_are_their_product(logits, labels):
    z, y = np.float64(logits), np.float64(labels)
    log_p, odds = naive_labels(z, y)
    task, one = MultiLabel(), (np.float32(z)[None], np.float32(y)[None])
    np.testing.assert_allclose(task.log_prob(*one)[0], log_p, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(task.confidence(*one)[0], odds, rtol=2e-3, atol=2e-3)
    assert float(task.utility(*one)[0]) == pytest.approx(((z > 0) == (y > 0)).mean())


def test_one_label_is_one_logit():
    z, y = np.float32([[-30.0], [0.0], [5.0], [90.0]]), np.float32([[1.0], [1.0], [0.0], [1.0]])
    expected = Binary().confidence(z, y[:, 0].astype(int))
    np.testing.assert_allclose(MultiLabel().confidence(z, y), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("label", [0, 1, 2, 3])
@given(LOGITS)
@settings(max_examples=30, deadline=None)
def test_ordered_classes_are_differences_of_cumulative_probabilities(label, outputs):
    log_p, odds = naive_ordinal(np.float64(outputs), label)
    if not np.isfinite(odds) or log_p < -25:
        return  # the naive difference is rounded away
    one = (np.float32(outputs)[None], np.array([label]))
    np.testing.assert_allclose(Ordinal().log_prob(*one)[0], log_p, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(Ordinal().confidence(*one)[0], odds, rtol=2e-3, atol=2e-3)


@given(LOGITS)
@settings(max_examples=30, deadline=None)
def test_probabilities_of_ordered_classes_sum_to_one(outputs):
    every = np.float32([outputs] * 4), np.arange(4)
    assert float(np.exp(Ordinal().log_prob(*every)).sum()) == pytest.approx(1, abs=1e-5)


def test_sure_and_hopeless_classes_keep_their_odds():
    far = np.float32([[-60.0, 120.0, 1.0]] * 2)
    found = Ordinal().confidence(far, np.array([1, 0]))
    np.testing.assert_allclose(found, [60.0 - np.log(2), -60.0], rtol=1e-4)


def test_the_median_class_is_the_answer():
    outputs = np.float32([[1.0, 0.0], [-1.0, 3.0], [-9.0, 0.0]])  # classes 0, 1 and 2
    np.testing.assert_array_equal(Ordinal().utility(outputs, np.array([0, 0, 0])), [0, 1, 2])


@pytest.mark.parametrize("task", [Binary(), MultiLabel(), Ordinal()], ids=lambda task: task.name)
def test_losses_have_the_gradient_of_differences(task):
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(6, 1 if task == Binary() else 3)).astype(np.float32)
    y = {
        "binary classification": IDS % 2,
        "multi-label classification": np.float32(rng.integers(0, 2, (6, 3))),
        "ordinal regression": IDS % 4,
    }[task.name]

    def total(outputs):
        return task.losses(outputs, Batch(X, y)).sum()

    gradient = np.asarray(jax.grad(total)(outputs))
    assert np.isfinite(gradient).all()
    step = np.zeros_like(outputs)
    step[2, 0] = 1e-2
    slope = (total(outputs + step) - total(outputs - step)) / 2e-2
    assert gradient[2, 0] == pytest.approx(float(slope), abs=2e-3)


@pytest.mark.parametrize("labels", [1, 5, 20])
def test_the_confidence_of_labels_over_shadows_is_nearly_gaussian(labels):
    """Logits that are Gaussian over shadows: nearer to Gaussian than log p and its log-odds."""
    rng = np.random.default_rng(0)
    logits = rng.normal(2.0, 1.0, (20_000, labels)).astype(np.float32)
    y = np.ones_like(logits)
    log_p = np.asarray(MultiLabel().log_prob(logits, y), float)

    def apart(values):
        return abs(skew(values)) + abs(kurtosis(values))

    own = apart(np.asarray(MultiLabel().confidence(logits, y)))
    assert own < 0.1
    if labels > 1:
        assert own < min(apart(log_p), apart(log_p - np.log(-np.expm1(log_p))))


@pytest.mark.parametrize("task", [Binary(), MultiLabel()], ids=lambda task: task.name)
def test_divergences_are_those_of_coins(task):
    rng = np.random.default_rng(0)
    now, then = rng.normal(size=(2, 4, 1 if task == Binary() else 3)).astype(np.float32)
    p, q = expit(now.astype(float)), expit(then.astype(float))
    expected = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum(axis=1)
    np.testing.assert_allclose(task.divergence(now, then), expected, rtol=1e-4, atol=1e-6)


def test_the_divergence_of_ordered_classes_is_that_of_their_probabilities():
    now, then = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    expected = [
        sum(
            np.exp(naive_ordinal(a, k)[0]) * (naive_ordinal(a, k)[0] - naive_ordinal(b, k)[0])
            for k in range(4)
        )
        for a, b in zip(now.astype(float), then.astype(float), strict=True)
    ]
    np.testing.assert_allclose(Ordinal().divergence(now, then), expected, rtol=1e-4, atol=1e-6)


LABELS = Dataset("labels", X, np.float32(np.eye(6)[:, :2]), IDS, None)
CLASSES = Dataset("classes", X, IDS % 3, IDS, 3)


@pytest.mark.parametrize(
    ("task", "shape", "data", "message"),
    [
        (Binary(), (1, 1), CLASSES, "classes has 3 classes, and one logit is for two"),
        (Binary(), (1, 1), LABELS, "labels has no classes, and one logit is for two"),
        (Binary(), (1, 2), Dataset("two", X, IDS % 2, IDS, 2), r"shape \(batch, 1\); it returns"),
        (MultiLabel(), (1, 3), LABELS, r"2 labels, so the model must return shape \(batch, 2\)"),
        (MultiLabel(), (1, 3), CLASSES, "several labels are targets of zeros and ones"),
        (
            MultiLabel(),
            (1, 2),
            Dataset("odd", X, np.full((6, 2), 0.5, np.float32), IDS, None),
            "several labels are targets of zeros and ones",
        ),
        (Ordinal(), (1, 3), CLASSES, r"3 classes in order, so the model must return shape \(ba"),
        (Ordinal(), (1, 1), LABELS, "labels has no classes, and an order needs some"),
    ],
)
def test_what_does_not_fit_is_refused(task, shape, data, message):
    with pytest.raises(Refused, match=message):
        task.check(np.zeros(shape), data)


def test_the_robust_scale_of_a_regression():
    rng = np.random.default_rng(0)
    residuals = rng.normal(0, 2.5, 20_001)
    residuals[::20] *= 1e6
    assert robust_scale(residuals) == pytest.approx(2.5, rel=0.08)
    assert Regression(scale=robust_scale(residuals)).scale < 3 < residuals.std()
    with pytest.raises(Refused, match="half of the residuals are 0"):
        robust_scale(np.array([0.0, 0.0, 1.0]))
    with pytest.raises(Refused, match="all of them finite"):
        robust_scale(np.array([np.nan]))
