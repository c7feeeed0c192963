"""Tokens from elsewhere: a sequence is the mean of its own, and a base model serves all models."""

import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS
from pptp_jax.audit.user_signals import given_signals

pytestmark = pytest.mark.usefixtures("compile_in_haste")

MODELS, EXAMPLES = 6, 30
RNG = np.random.default_rng(0)
MEMBERSHIP = RNG.permuted(np.tile(np.arange(MODELS) < 3, (EXAMPLES, 1)), axis=1).T


def test_tokens_say_what_the_mean_loss_of_a_sequence_says() -> None:
    log_p = -np.random.default_rng(0).exponential(size=(*MEMBERSHIP.shape, 4))
    there = np.broadcast_to(np.arange(4) <= np.arange(EXAMPLES)[:, None] % 4, log_p.shape)
    losses = -(log_p * there).sum(-1) / there.sum(-1)
    tokens = {"token_log_prob": log_p, "token_present": there.astype(int)}
    given = given_signals(tokens, MEMBERSHIP)
    assert given.signals["token_present"].shape == (*MEMBERSHIP.shape[:1], 1, EXAMPLES, 4)
    assert given.signals["token_present"].dtype == bool
    known = given_signals({"losses": losses}, MEMBERSHIP)
    for name in ("loss", "lira_online", "rmia_online"):
        scores = [ATTACKS[name](one.evidence()) for one in (given, known)]
        np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-4)
    assert np.isfinite(ATTACKS["min_k"](given.evidence())).all()


def test_tokens_of_a_base_model_serve_all_models() -> None:
    rng = np.random.default_rng(0)
    shape = (*MEMBERSHIP.shape, 5)
    before = -rng.exponential(size=shape[1:])
    log_p = before * rng.uniform(0.5, 1.2, size=shape) * np.where(MEMBERSHIP, 0.5, 1)[..., None]
    there = np.broadcast_to(np.arange(5) < 4, shape)
    tokens = {
        "token_log_prob": log_p,
        "token_present": there,
        "token_first": rng.random(shape) < 0.2,
    }
    held = given_signals(tokens | {"base_token_log_prob": before}, MEMBERSHIP).evidence()
    grown = (log_p - before)[..., :4].mean(-1)
    np.testing.assert_allclose(ATTACKS["base_ratio"](held), grown, rtol=1e-4, atol=1e-5)
    alone = given_signals(tokens, MEMBERSHIP).evidence()
    for name in ("ez_mia", "lira_tokens", "informia"):
        assert np.isfinite(ATTACKS[name](held)).all()
    with pytest.raises(ValueError, match="reads the signal 'base_token_log_prob'"):
        ATTACKS["ez_mia"](alone)
    shorter = {"base_token_log_prob": before[:, :3]}
    with pytest.raises(ValueError, match="must have as many tokens as token_present, 5, got 3"):
        given_signals(tokens | shorter, MEMBERSHIP)
