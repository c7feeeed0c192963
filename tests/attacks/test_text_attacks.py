"""Attacks by the tokens of a sequence: every length and share against the published formulas."""

import zlib

import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.data import Balanced
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


def test_rmia_takes_the_geometric_mean_of_the_tokens_probabilities() -> None:
    membership = Balanced(8).draw(20, 0).matrix
    log_p = -RNG.exponential(size=(8, 20, 5)) * np.where(membership, 0.7, 1.0)[..., None]
    p = np.prod(np.exp(log_p), axis=-1) ** (1 / 5)
    held = Evidence.leave_one_out({"confidence": np.log(p / (1 - p))}, membership)
    found = ATTACKS["rmia_online"](held, gamma=1.05)
    for target in range(8):
        others = np.arange(8) != target
        ratios = []
        for example in range(20):
            known, members = p[others, example], membership[others, example]
            reference = (known[members].mean() + known[~members].mean()) / 2
            ratios.append(p[target, example] / reference)
        beaten = [np.mean([x / z >= 1.05 for z in ratios]) for x in ratios]
        np.testing.assert_allclose(found[target], beaten, atol=1e-6)


def test_text_and_ids_are_compressed() -> None:
    text = b"the same words, the same words, the same words"
    assert compressed_length([*text, 256, -1, -1], of_bytes=True) == len(zlib.compress(text))
    ids = np.array([70000, 3, 70000], "<u4")
    found = compressed_length([*ids.tolist(), -1], of_bytes=False)
    assert found == len(zlib.compress(ids.tobytes()))
