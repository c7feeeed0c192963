"""Objectives against naive twins in NumPy, and their gradients against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.objectives import Context, CrossEntropy, RelaxLoss

ALL = [CrossEntropy(), RelaxLoss(alpha=0.5), RelaxLoss(alpha=3.0, upper=0.3)]


def batch(seed: int, scale: float = 2.0) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=(6, 4)) * scale, jnp.float32), jnp.asarray(
        rng.integers(0, 4, 6)
    )


def naive_cross_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return np.array([-np.log(row[label]) for row, label in zip(p, labels, strict=True)])


def naive_relaxloss(
    logits: np.ndarray, labels: np.ndarray, alpha: float, upper: float, epoch: int
) -> float:
    losses = naive_cross_entropies(logits, labels)
    mean = losses.mean()
    if epoch % 2 == 0:
        return abs(mean - alpha)
    if mean > alpha:
        return mean
    terms = []
    for row, label, loss in zip(logits, labels, losses, strict=True):
        p = np.exp(row) / np.exp(row).sum()
        on_label = min(p[label], upper)
        soft = np.full(len(row), (1 - on_label) / (len(row) - 1))
        soft[label] = on_label
        wrong = float(np.argmax(row) != label)
        terms.append(wrong * -(soft * np.log(p)).sum() - loss)
    return float(np.mean(terms))


@given(st.integers(0, 10**6))
def test_cross_entropy(seed: int) -> None:
    logits, labels = batch(seed)
    known = naive_cross_entropies(np.asarray(logits, float), np.asarray(labels)).mean()
    assert float(CrossEntropy()(logits, labels)) == pytest.approx(known, rel=1e-5)


@given(st.integers(0, 10**6), st.sampled_from([0.2, 1.0, 5.0]), st.sampled_from([0.3, 1.0]))
def test_relaxloss_in_both_kinds_of_epoch(seed: int, alpha: float, upper: float) -> None:
    logits, labels = batch(seed)
    for epoch in (0, 1):
        known = naive_relaxloss(np.asarray(logits, float), np.asarray(labels), alpha, upper, epoch)
        ours = RelaxLoss(alpha=alpha, upper=upper)(logits, labels, Context(epoch=epoch))
        assert float(ours) == pytest.approx(known, rel=1e-4, abs=1e-5)


def test_relaxloss_flattens_below_the_target_in_odd_epochs_alone() -> None:
    logits, labels = jnp.array([[4.0, 0.0, 0.0]]), jnp.array([0])
    mean = float(CrossEntropy()(logits, labels))
    assert mean < 1
    even, odd = (
        float(RelaxLoss(alpha=1.0)(logits, labels, Context(epoch=epoch))) for epoch in (2, 3)
    )
    assert even == pytest.approx(1 - mean)
    assert odd == pytest.approx(-mean, rel=1e-5)


@pytest.mark.parametrize("objective", ALL, ids=repr)
@pytest.mark.parametrize("epoch", [0, 1])
def test_gradients_agree_with_differences(objective, epoch: int) -> None:
    logits, labels = batch(1)

    def loss(z: jax.Array) -> jax.Array:
        return objective(z, labels, Context(epoch=epoch))

    steps = 1e-2 * jnp.eye(logits.size).reshape(-1, *logits.shape)
    above, below = (jax.jit(jax.vmap(loss))(logits[None] + s * steps) for s in (1, -1))
    np.testing.assert_allclose(jax.grad(loss)(logits).ravel(), (above - below) / 2e-2, atol=2e-3)


def test_a_sweep_over_strengths_is_one_mapped_call() -> None:
    logits, labels = batch(2)
    alphas = jnp.array([0.1, 1.0, 4.0])
    axes = RelaxLoss(alpha=0, upper=None)
    swept = jax.vmap(lambda objective: objective(logits, labels), in_axes=(axes,))(
        RelaxLoss(alpha=alphas)
    )
    one_by_one = [RelaxLoss(alpha=float(a))(logits, labels) for a in alphas]
    np.testing.assert_allclose(swept, jnp.stack(one_by_one), rtol=1e-6)


def test_names_and_strengths() -> None:
    assert (CrossEntropy().name, CrossEntropy().strength) == ("cross_entropy", None)
    assert (RelaxLoss(alpha=0.5).name, RelaxLoss(alpha=0.5).strength) == ("relaxloss", 0.5)


def test_bad_strengths() -> None:
    with pytest.raises(ValueError, match="alpha must be a finite number of at least 0, got -1"):
        RelaxLoss(alpha=-1.0)
    with pytest.raises(ValueError, match="upper must lie between 0 and 1, got 2"):
        RelaxLoss(alpha=1.0, upper=2.0)
