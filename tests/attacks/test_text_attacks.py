"""Attacks by the tokens of a sequence: every length and share against the published formulas."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.data import Balanced
from pptp_jax.metrics import auc, roc
from pptp_jax.signals import compressed_length

pytestmark = pytest.mark.usefixtures("compile_in_haste")

RNG = np.random.default_rng(0)
SHAPE = (2, 1, 30, 30)
SIGNALS = {
    "token_log_prob": -RNG.exponential(size=SHAPE),
    "token_mean": -RNG.exponential(size=SHAPE),
    "token_deviation": RNG.exponential(size=SHAPE),
    # One token, two, ... thirty.
    "token_present": np.broadcast_to(np.tri(30, dtype=bool), SHAPE),
}
HELD = Evidence.leave_one_out(SIGNALS, np.array([[True] * 30, [False] * 30]))


@pytest.mark.parametrize("share", [0.05, 0.2, 0.29, 0.7, 1.0])
def test_min_k_is_the_mean_of_the_least_likely_tokens(share: float) -> None:
    log_p, mean, deviation, _ = SIGNALS.values()
    for name, scores in (("min_k", log_p), ("min_k_plus_plus", (log_p - mean) / deviation)):
        found = ATTACKS[name](HELD, share=share)
        for target, example in np.ndindex(found.shape):
            count = example + 1
            own = sorted(scores[target, 0, example, :count])
            least = np.mean(own[: max(1, int(count * share))])
            assert found[target, example] == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize(
    ("share", "message"), [(0.0, "share must be .* above 0"), (1.5, "share must lie between 0")]
)
def test_bad_shares(share: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ATTACKS["min_k"](HELD, share=share)


def test_a_certain_model_gives_finite_scores() -> None:
    certain = {name: np.zeros((1, 1, 1, 3)) for name in SIGNALS}
    certain["token_present"] = np.ones((1, 1, 1, 3), bool)
    held = Evidence.leave_one_out(certain, np.array([[True]]))
    assert ATTACKS["min_k_plus_plus"](held).tolist() == [[0.0]]


def test_tokens_say_more_than_their_mean_where_one_of_them_is_known_to_members_alone() -> None:
    """Where all sequences share one level the best test has AUC Φ(√(gap'Σ⁻¹gap / 2))."""
    rng, tokens = np.random.default_rng(5), 6
    membership = Balanced(32).draw(300, 0).matrix
    covariance = 0.6 ** np.abs(np.subtract.outer(np.arange(tokens), np.arange(tokens)))
    gap = np.where(np.arange(tokens) == 3, 1.8, 0.0)
    noise = rng.multivariate_normal(np.zeros(tokens), covariance, size=membership.shape)
    phi = noise + gap * membership[..., None]
    log_p = -np.logaddexp(0, -phi)
    there = np.ones(phi.shape, bool)
    mean = log_p.mean(axis=-1)
    signals = {"token_log_prob": log_p, "token_present": there}
    signals["confidence"] = mean - np.log(-np.expm1(mean))
    targets = [0, 9, 18, 27]
    held = Evidence.leave_one_out(signals, membership, targets=targets)
    by_mean, by_token = (
        auc(roc(ATTACKS[name](held), membership[targets]))
        for name in ("lira_online", "lira_tokens")
    )
    ideal = norm.cdf(np.sqrt(gap @ np.linalg.solve(covariance, gap) / 2))
    assert ideal - 0.04 < by_token < ideal + 0.02
    assert by_mean < by_token - 0.15
    # Places without a token are no part of the sequence.
    padded = {
        "token_log_prob": np.concatenate([log_p, -9 * rng.random((32, 300, 2))], axis=-1),
        "token_present": np.arange(tokens + 2) < np.full(phi.shape[:2], tokens)[..., None],
    }
    more = Evidence.leave_one_out(padded, membership, targets=targets)
    np.testing.assert_allclose(
        *(ATTACKS["lira_tokens"](one) for one in (held, more)), rtol=1e-3, atol=1e-3
    )


def errors(log_p, first) -> Evidence:
    shape = (1, 1, 1, len(log_p))
    signals = {"token_log_prob": np.reshape(log_p, shape), "token_first": np.reshape(first, shape)}
    signals["base_token_log_prob"] = np.full((1, 1, len(log_p)), -3.0)
    signals["token_present"] = np.ones(shape, bool)
    return Evidence.leave_one_out(signals, np.array([[True]]))


@pytest.mark.parametrize(
    ("log_p", "first", "score"),
    [
        ([-1.0, -4.0, -0.1], [False, False, True], 2 / 3),  # what is right does not count
        ([-1.0, -2.0, -9.0], [False, False, True], 1.0),
        ([-4.0, -5.0, -0.1], [False, False, True], 0.0),
        ([-3.0, -3.0, -0.1], [False, False, True], 0.0),  # nothing has changed
        ([-1.0, -0.1, -0.1], [False, True, True], 0.0),  # one error is too few
    ],
)
def test_the_share_of_gains_where_the_model_errs(log_p, first, score: float) -> None:
    assert ATTACKS["ez_mia"](errors(log_p, np.array(first)))[0, 0] == pytest.approx(score)


def test_informia_tells_apart_what_a_target_learned_of_all_and_of_one() -> None:
    """Within a target it ranks as BASE; of two that differ in all examples it forgives that."""
    rng = np.random.default_rng(2)
    membership = Balanced(12).draw(200, 0).matrix
    better = np.where(np.arange(12) % 2, 3.0, 0.0)[:, None]
    phi = rng.normal(size=membership.shape) + 1.5 * membership + better - 6
    held = Evidence.leave_one_out({"confidence": phi}, membership)
    base, found = (ATTACKS[name](held) for name in ("base_online", "informia"))
    np.testing.assert_array_equal(base.argsort(axis=1), found.argsort(axis=1))
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-5)
    assert auc(roc(found, membership)) > auc(roc(base, membership)) + 0.1
    some = np.arange(200) < 50
    other = ATTACKS["informia"](replace(held, population=some))
    np.testing.assert_allclose(other[:, some].mean(axis=1), 0, atol=1e-5)


def test_rmia_takes_the_geometric_mean_of_the_tokens_probabilities() -> None:
    membership = Balanced(8).draw(20, 0).matrix
    log_p = -RNG.exponential(size=(8, 20, 5)) * np.where(membership, 0.7, 1.0)[..., None]
    p = np.prod(np.exp(log_p), axis=-1) ** (1 / 5)
    held = Evidence.leave_one_out({"confidence": np.log(p / (1 - p))}, membership)
    found = ATTACKS["rmia_online"](held, gamma=1.05)
    offline = ATTACKS["rmia_offline"](held, gamma=1.05, a=0.3)
    for target in range(8):
        others = np.arange(8) != target
        ratios = []
        for example in range(20):
            known, members = p[others, example], membership[others, example]
            reference = (known[members].mean() + known[~members].mean()) / 2
            constant = (1.3 * known[~members].mean() + 0.7) / 2
            ratios.append(p[target, example] / np.array([reference, constant]))
        for way, scores in enumerate((found, offline)):
            beaten = [np.mean([x[way] / z[way] >= 1.05 for z in ratios]) for x in ratios]
            np.testing.assert_allclose(scores[target], beaten, atol=1e-6)


def test_text_and_ids_are_compressed() -> None:
    text = b"the same words, the same words, the same words"
    assert compressed_length([*text, 256, -1, -1], of_bytes=True) == len(zlib.compress(text))
    ids = np.array([70000, 3, 70000], "<u4")
    found = compressed_length([*ids.tolist(), -1], of_bytes=False)
    assert found == len(zlib.compress(ids.tobytes()))
