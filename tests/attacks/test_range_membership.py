"""Range membership: trimmed means against a loop, and cases in which they are right."""

import numpy as np
import pytest
from scipy.stats import norm

from pptp_jax.attacks import ATTACKS, Evidence, attack_of, range_attack, trimmed_mean
from pptp_jax.evaluation import attack
from pptp_jax.metrics import attack_metrics
from pptp_jax.validation import AttackUnavailable, Refused

pytestmark = pytest.mark.usefixtures("compile_in_haste")


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 0.0), (0.3, 0.1), (0.5, 0.2), (0.0, 0.9)])
def test_a_trimmed_mean_is_that_of_what_is_left_in_a_sorted_list(lowest, highest, rng) -> None:
    scores = rng.normal(size=(2, 10, 4))
    twin = np.zeros((2, 4))
    for target in range(2):
        for example in range(4):
            left = sorted(scores[target, :, example].tolist())
            left = left[round(10 * lowest) : 10 - round(10 * highest)]
            twin[target, example] = sum(left) / len(left)
    np.testing.assert_allclose(trimmed_mean(scores, lowest=lowest, highest=highest), twin)


def forms(rng, *, models=8, queries=4, examples=150, leak=1.0):
    halves = np.tile(np.arange(models) < models // 2, (examples, 1))
    membership = rng.permuted(halves, axis=1).T
    return rng.normal(size=(models, queries, examples)) + leak * membership[:, None], membership


def test_each_form_is_attacked_by_itself(rng) -> None:
    phi, membership = forms(rng)
    held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0, 1, 5])
    for name in ("rmia_online", "lira_online"):
        alone = [
            ATTACKS[name](
                Evidence.leave_one_out({"confidence": one}, membership, targets=[0, 1, 5])
            )
            for one in phi.swapaxes(0, 1)
        ]
        for lowest, highest in ((0.25, 0.25), (0.0, 0.0)):
            found = range_attack(name, lowest=lowest, highest=highest)(held)
            twin = trimmed_mean(np.stack(alone, axis=1), lowest=lowest, highest=highest)
            np.testing.assert_allclose(found, twin, rtol=1e-5, atol=1e-6)


def test_an_attack_that_averages_forms_is_its_own_range_without_a_trim(rng) -> None:
    phi, membership = forms(rng, queries=3, examples=20)
    held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
    found = range_attack("base_online", lowest=0.0, highest=0.0)(held)
    np.testing.assert_allclose(found, ATTACKS["base_online"](held), rtol=1e-5, atol=1e-6)


def test_forms_that_are_like_nothing_are_left_out() -> None:
    # The mean of four forms N(1, 1) against N(0, 1) has AUC Φ(√2); a fifth form of noise spoils
    # the plain mean, not the trimmed one.
    rng = np.random.default_rng(1)
    phi, membership = forms(rng, examples=400)
    plain = range_attack("loss", lowest=0.0, highest=0.0)
    four = attack_metrics(
        plain(Evidence.leave_one_out({"confidence": phi}, membership)), membership, resamples=50
    )["auc"]
    assert four.low < norm.cdf(np.sqrt(2)) < four.high
    noise = rng.choice([-40.0, 40.0], size=(8, 1, 400))
    held = Evidence.leave_one_out({"confidence": np.concatenate([phi, noise], axis=1)}, membership)
    spoiled, trimmed = (
        attack_metrics(one(held), membership, resamples=50)["auc"]
        for one in (plain, range_attack("loss", lowest=0.2, highest=0.2))
    )
    # Of two records whose noise has one sign the mean ranks as before, else by the sign.
    assert spoiled.low < 0.25 + norm.cdf(np.sqrt(2)) / 2 < spoiled.high < trimmed.low
    assert trimmed.low > 0.8


def test_where_nothing_leaks_a_range_finds_nothing(rng) -> None:
    phi, membership = forms(rng, examples=300, leak=0.0)
    ranged = range_attack("rmia_online")
    found = attack({"confidence": phi}, membership, attacks=["rmia_online", ranged], resamples=50)
    auc = found["rmia_online_range(lowest=0.25, highest=0.25)"].auc
    assert auc.low < 0.5 < auc.high


def test_options_of_the_attack_and_of_the_range_are_kept(rng) -> None:
    phi, membership = forms(rng, queries=4, examples=30)
    held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
    first = range_attack(ATTACKS["rmia_online"].using(gamma=1.0), lowest=0.5, highest=0.0)
    again = range_attack("rmia_online").using(gamma=1.0, lowest=0.5, highest=0.0)
    assert first.config["options"] == {"gamma": 1.0, "lowest": 0.5, "highest": 0.0}
    assert first.name == "rmia_online_range(gamma=1.0, lowest=0.5, highest=0.0)"
    np.testing.assert_array_equal(first(held), again(held))
    assert attack_of(first) is first and first.min_in_shadows == 1
    assert "Tao and Shokri" in first.source


def test_what_is_no_range_is_refused(rng) -> None:
    with pytest.raises(Refused, match=r"together they must be below 1, got 0.5 and 0.5"):
        range_attack("loss", lowest=0.5, highest=0.5)
    with pytest.raises(Refused, match="highest must lie between 0 and 1"):
        trimmed_mean(np.zeros((1, 2, 1)), highest=-0.1)
    phi, membership = forms(rng, queries=1, examples=10)
    held = Evidence.leave_one_out({"confidence": phi}, membership)
    with pytest.raises(AttackUnavailable, match="at least 2 forms of every record"):
        range_attack("loss")(held)
