"""Answers of a regression and of a single logit, handed over by a user."""

import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS
from pptp_jax.audit.user_signals import given_signals
from pptp_jax.evaluation import attack
from pptp_jax.metrics import robust_scale
from pptp_jax.tasks import Regression

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
