"""Answers of a regression and of a single logit, handed over by a user."""

import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS
from pptp_jax.audit.user_signals import given_signals
from pptp_jax.evaluation import attack
from pptp_jax.metrics import robust_scale
from pptp_jax.tasks import MultiLabel, Regression

MODELS, EXAMPLES = 8, 40
RNG = np.random.default_rng(0)
MEMBERSHIP = RNG.permuted(np.tile(np.arange(MODELS) < 4, (EXAMPLES, 1)), axis=1).T
RESIDUALS = RNG.normal(size=(MODELS, EXAMPLES)) * np.where(MEMBERSHIP, 1.0, 4.0)


def test_residuals_are_the_signals_of_a_regression() -> None:
    given = given_signals({"residuals": RESIDUALS}, MEMBERSHIP)
    task = Regression(scale=robust_scale(RESIDUALS))
    flat, zeros = RESIDUALS.reshape(-1, 1).astype(np.float32), np.zeros(RESIDUALS.size, np.float32)
    for name in ("confidence", "log_prob"):
        expected = np.asarray(getattr(task, name)(flat, zeros)).reshape(MODELS, 1, EXAMPLES)
        np.testing.assert_allclose(given.signals[name], expected, rtol=1e-5)


def test_residuals_of_a_tree_may_be_none_on_members() -> None:
    sure = np.where(MEMBERSHIP, 0.0, RESIDUALS)
    found = given_signals({"residuals": sure}, MEMBERSHIP).signals["confidence"]
    assert np.isfinite(found).all() and not found[:, 0][MEMBERSHIP].any()
    scale = robust_scale(RESIDUALS[~MEMBERSHIP])
    expected = -np.cbrt((RESIDUALS / scale) ** 2)[~MEMBERSHIP]
    np.testing.assert_allclose(found[:, 0][~MEMBERSHIP], expected, rtol=1e-5)


def test_attacks_on_residuals_find_members_in_any_units() -> None:
    names = ("loss", "lira_online", "rmia_online", "base_online")
    found = {
        factor: attack(
            given_signals({"residuals": factor * RESIDUALS}, MEMBERSHIP).signals,
            MEMBERSHIP,
            attacks=names,
            resamples=9,
        )
        for factor in (1.0, 1e4)
    }
    for name in names:
        assert found[1.0][name].auc.value > 0.75
        assert found[1e4][name].auc.value == pytest.approx(found[1.0][name].auc.value, abs=1e-3)


def test_a_single_logit_is_the_pair_with_zero() -> None:
    z, labels = RNG.normal(size=(MODELS, EXAMPLES, 1)), RNG.integers(0, 2, EXAMPLES)
    pair = np.concatenate([np.zeros_like(z), z], axis=-1)
    of = [given_signals({"logits": one}, MEMBERSHIP, labels) for one in (z, pair)]
    scores = [ATTACKS["lira_online"](given.evidence()) for given in of]
    np.testing.assert_array_equal(*scores)


def test_predictions_less_the_truth_are_residuals() -> None:
    truth = RNG.normal(size=EXAMPLES)
    found = given_signals({"predictions": truth + RESIDUALS, "true_values": truth}, MEMBERSHIP)
    expected = given_signals({"residuals": RESIDUALS}, MEMBERSHIP)
    np.testing.assert_allclose(
        found.signals["confidence"], expected.signals["confidence"], rtol=1e-4, atol=1e-6
    )


def test_one_logit_may_lack_its_axis() -> None:
    z, labels = RNG.normal(size=(MODELS, EXAMPLES)), RNG.integers(0, 2, EXAMPLES)
    found, expected = (
        given_signals({"logits": one}, MEMBERSHIP, labels) for one in (z, z[..., None])
    )
    np.testing.assert_array_equal(found.signals["logits"], expected.signals["logits"])


LABELS = np.random.default_rng(1).integers(0, 2, (EXAMPLES, 3))


def test_several_labels_are_the_task() -> None:
    z = RNG.normal(0, 30, size=(MODELS, EXAMPLES, 3))
    found = given_signals({"logits": z}, MEMBERSHIP, LABELS)
    for name in ("confidence", "log_prob"):
        for model in range(MODELS):
            expected = getattr(MultiLabel(), name)(np.float32(z[model]), np.float32(LABELS))
            np.testing.assert_allclose(
                found.signals[name][model, 0], expected, rtol=1e-4, atol=1e-4
            )


@pytest.mark.parametrize(
    ("signals", "labels", "message"),
    [
        ({"predictions": RESIDUALS}, None, "true_values is missing"),
        ({"predictions": RESIDUALS, "true_values": np.ones(3)}, None, r"shape \(40,\)"),
        ({"logits": np.ones((8, 40, 3)) * 2}, LABELS * 2, "zeros and ones"),
        ({"logits": np.ones((8, 40, 3)) * 2}, np.eye(3)[np.arange(40) % 3], "exactly one label"),
        ({"logits": np.ones((8, 40, 4)) * 2}, LABELS, "as labels"),
        ({"logits": np.ones((8, 40, 3)) / 2}, LABELS, "between 0 and 1"),
        ({"logits": RESIDUALS}, np.arange(40) % 3, "below the 2 classes"),
    ],
)
def test_what_could_mean_two_things_is_refused(signals, labels, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        given_signals(signals, MEMBERSHIP, labels)
