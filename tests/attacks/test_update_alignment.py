"""Alignment of updates with gradients: a naive twin, and the leakage of one step of descent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from pptp_jax.attacks import ATTACKS, attack_targets, update_alignment
from pptp_jax.metrics import attack_metrics
from pptp_jax.validation import Refused


@given(st.integers(0, 2**31))
@settings(max_examples=30)
def test_it_is_the_cosine_with_the_step_of_descent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    updates, gradients = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 5, 4))
    for match in ("cosine", "product"):
        found = update_alignment(updates, gradients, match)
        for index in np.ndindex(2, 3, 5):
            u, g = updates[index[:2]], gradients[index]
            expected = -(u @ g)
            if match == "cosine":
                expected /= np.linalg.norm(u) * np.linalg.norm(g)
            assert float(found[index]) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert (update_alignment(updates[0, 0], np.zeros((5, 4))) == 0).all()


def fleet(models: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noisy sums of the members' gradients, one a model, for 40 candidates."""
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(40, 60))
    membership = rng.random((models, 40)) < 0.5
    updates = -membership.astype(float) @ gradients / 20 + 0.1 * rng.normal(size=(models, 60))
    return updates, gradients, membership


def test_the_inner_product_is_as_good_as_its_closed_form() -> None:
    """Gaussian gradients: it has variance Σ(‖g‖² of others)/d·… around ‖g‖²/20 for a member."""
    updates, gradients, membership = fleet(400)
    given = np.broadcast_to(gradients, (400, 40, 60))
    scores = np.asarray(update_alignment(updates, given, "product"))
    gram = gradients @ gradients.T
    means = np.diag(gram) / 20
    others = (np.square(gram).sum(axis=1) - np.diag(gram) ** 2) / 4 / 20**2
    spread = np.sqrt(others + 0.01 * np.diag(gram))
    expected = norm.cdf(means / spread / 2**0.5)
    found = []
    for i in range(40):
        own, other = scores[membership[:, i], i], scores[~membership[:, i], i]
        found.append((own[:, None] > other).mean())
    np.testing.assert_allclose(found, expected, atol=0.12)
    assert np.mean(found) == pytest.approx(np.mean(expected), abs=0.02)


def test_shadow_updates_and_lira_do_better_than_the_cosine_alone() -> None:
    """What all clients share moves each example's score: shadows know by how much."""
    updates, gradients, membership = fleet(64, seed=1)
    updates = updates - np.random.default_rng(2).normal(size=60)
    signal = np.asarray(update_alignment(updates, np.broadcast_to(gradients, (64, 40, 60))))
    alone = attack_metrics(signal, membership, resamples=50)["auc"]
    scores = attack_targets(
        ATTACKS["lira_online"], np.float32(signal)[:, None], membership, targets=range(64)
    )
    lira = attack_metrics(scores, membership, resamples=50)["auc"]
    assert lira.low > alone.high


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(Refused, match=r"got the shapes \(3,\) and \(2, 4\)"):
        update_alignment(np.zeros(3), np.zeros((2, 4)))
    with pytest.raises(Refused, match="match 'angle' is unknown"):
        update_alignment(np.zeros(3), np.zeros((2, 3)), "angle")  # type: ignore[arg-type]


def test_small_gradients_have_a_direction_and_nan_is_not_zero() -> None:
    update = np.array([-3e-25, 4e-25])
    gradients = np.array([[6e-26, -8e-26], [3e25, -4e25], [0.0, 0.0], [np.nan, 1.0]])
    found = np.asarray(update_alignment(update, gradients))
    np.testing.assert_allclose(found[:3], [1.0, 1.0, 0.0], rtol=1e-6)
    assert np.isnan(found[3])
    assert np.isnan(update_alignment(np.array([np.nan, 0.0]), gradients)).all()
