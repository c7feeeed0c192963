"""Screens of one model, and sentences of an audit on its data: against values by hand."""

import json

import numpy as np
import pytest

from pptp_jax.audit import AuditReport, audit_model, audit_signals, screen_signals
from pptp_jax.evaluation import RunResults
from pptp_jax.metrics import auc, roc, tnr_at_fnr
from pptp_jax.report import render_attacks, render_screen, write_report
from pptp_jax.validation import Refused

pytestmark = pytest.mark.usefixtures("compile_in_haste")


def model(leak=2.0, examples=400, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, examples)
    membership = rng.permutation(examples) < examples // 2
    logits = rng.normal(size=(examples, 4)).astype(np.float32)
    logits[np.arange(examples), labels] += 1 + leak * membership
    return {"logits": logits}, membership, labels


def test_what_a_screen_finds_is_what_is_counted_by_hand():
    signals, membership, labels = model()
    found = screen_signals(signals, membership, labels, parameters=1000, resamples=50)
    logits = signals["logits"].astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    losses, right = -log_p[np.arange(400), labels], logits.argmax(axis=1) == labels
    for key, values, sign in (("accuracy", right, 1), ("loss", losses, -1)):
        inside, outside = values[membership].mean(), values[~membership].mean()
        own = found[key]
        assert own["members"]["value"] == pytest.approx(inside, abs=1e-5)
        assert own["nonmembers"]["value"] == pytest.approx(outside, abs=1e-5)
        assert own["gap"]["value"] == pytest.approx(sign * (inside - outside), abs=1e-5)
        assert own["gap"]["low"] < own["gap"]["value"] < own["gap"]["high"]
    curve = roc(-losses, membership)
    assert found["loss_auc"]["value"] == pytest.approx(auc(curve), abs=1e-4)
    for tail in found["tail"]:
        assert tail["tnr"]["value"] == pytest.approx(tnr_at_fnr(curve, tail["fnr"]), abs=1e-9)
    assert found["parameters"] == {"count": 1000, "per_member": 5.0}
    counts = np.bincount(labels[membership])
    assert found["smallest_class"] == {
        "label": counts.argmin(),
        "members": counts.min(),
        "classes": 4,
    }
    assert found["verdict"] == "worth it" and found["blind"]["found"] is False
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_where_nothing_leaks_a_screen_is_at_chance_as_often_as_is_claimed() -> None:
    """Of 40 intervals of 95 % fewer than 33 cover once in a thousand times."""
    covered, worth = {"auc": 0, 0.1: 0, 0.01: 0}, 0
    for seed in range(40):
        signals, membership, labels = model(leak=0.0, seed=seed)
        found = screen_signals(signals, membership, labels, resamples=100)
        covered["auc"] += found["loss_auc"]["low"] <= 0.5 <= found["loss_auc"]["high"]
        for tail in found["tail"]:
            covered[tail["fnr"]] += tail["tnr"]["low"] <= tail["fnr"] <= tail["tnr"]["high"]
        worth += found["verdict"] == "worth it"
    assert min(covered.values()) >= 33
    assert worth <= 4


def test_a_model_that_memorised_nothing_is_not_worth_a_fleet():
    found = screen_signals(*model(leak=0.0), resamples=50)
    assert found["verdict"] == "little to find"
    assert "This proves nothing" in found["sentence"] and found["parameters"] is None


@pytest.mark.parametrize(("members", "others"), [(100, 5000), (12, 50), (400, 400)])
def test_noise_is_seldom_worth_a_fleet(members, others):
    """A bootstrap of few members is too sure of their largest losses."""
    membership = np.arange(members + others) < members
    losses = np.random.default_rng(0).exponential(size=(40, members + others))
    found = [screen_signals({"losses": one}, membership, resamples=50) for one in losses]
    assert sum(one["verdict"] == "worth it" for one in found) <= 3


def test_an_inverted_membership_is_doubted():
    signals, membership, *rest = model()
    assert screen_signals(signals, membership, *rest, resamples=50)["verdict"] == "worth it"
    found = screen_signals(signals, ~np.asarray(membership), *rest, resamples=50)
    assert found["verdict"] == "inverted"
    assert found["sentence"].startswith("Is membership inverted? Members have a larger loss")


def test_a_tail_alone_is_enough():
    """The body of the losses is equal; a tenth of the non-members have losses of no member."""
    rng = np.random.default_rng(0)
    membership = np.arange(600) % 2 == 0
    losses = rng.uniform(0.1, 1, size=600)
    losses[~membership & (rng.random(600) < 0.1)] = 5.0
    found = screen_signals({"losses": losses}, membership, resamples=100)
    assert found["loss_auc"]["low"] < 0.5 < found["loss_auc"]["high"]
    assert found["verdict"] == "worth it"
    assert "have a larger loss than 99 % of the members, where 1 % is chance" in found["sentence"]


def test_an_auc_without_a_tail_is_not_enough():
    """Losses of members are a little lower everywhere, but none is as low as its own extreme."""
    rng = np.random.default_rng(0)
    membership = np.arange(1000) % 2 == 0
    losses = rng.uniform(0, 1, size=1000)
    losses[membership] **= 1.5
    found = screen_signals({"losses": losses}, membership, resamples=100)
    assert found["loss_auc"]["low"] > 0.5 and found["verdict"] == "little to find"
    assert "is above chance, but such an AUC did not predict LiRA" in found["sentence"]


def test_an_interval_that_allows_anything_decides_nothing():
    rng = np.random.default_rng(0)
    membership = np.arange(30) < 22
    losses = rng.exponential(size=30) * np.where(membership, 0.7, 1.0)
    found = screen_signals({"losses": losses}, membership, resamples=100)
    assert found["tail"][0]["tnr"]["high"] > 0.3 and found["verdict"] == "too few"
    assert "an interval so wide says little. Hand over more members" in found["sentence"]


def test_few_members_are_judged_by_what_they_resolve():
    rng = np.random.default_rng(0)
    membership = np.arange(60) % 2 == 0
    losses = rng.uniform(0.1, 1, size=60) + 3 * (~membership & (rng.random(60) < 0.6))
    found = screen_signals({"losses": losses}, membership, resamples=50)
    assert found["tail"][1]["tnr"]["value"] is None and found["verdict"] == "worth it"
    assert "a larger loss than 90 % of the members" in found["sentence"]
    few = screen_signals({"losses": losses[:12]}, membership[:12], resamples=50)
    assert few["verdict"] == "too few" and "needs at least 10 members" in few["sentence"]


def test_data_of_two_sources_come_first():
    signals, membership, labels = model()
    x = np.random.default_rng(0).normal(size=(400, 3)) + membership[:, None]
    found = screen_signals(signals, membership, labels, inputs=x, resamples=20)
    assert found["verdict"] == "not yet" and found["blind"]["reads"] == ["inputs", "labels"]
    assert "Draw both by chance from one source first" in found["sentence"]
    shown = render_screen(found, "mine")
    assert shown.startswith("mine: one model, 200 members, 200 non-members")
    assert "warning, without the model: inputs and labels alone distinguish" in shown


def test_the_smallest_group_is_that_of_equal_members():
    membership = np.arange(60) < 30
    x = np.zeros((60, 3), int)
    x[:28, 0], x[28:30, 0] = np.arange(28) % 2, 7
    x[29, 2] = 1
    losses = np.random.default_rng(0).exponential(size=60)

    def group(*columns):
        found = screen_signals(
            {"losses": losses}, membership, inputs=x, identifying=columns, resamples=5
        )
        return found["smallest_group"]

    assert group(0) == {"columns": [0], "records": 2, "alone": 0, "groups": 3}
    assert group(2, 0) == {"columns": [0, 2], "records": 1, "alone": 2, "groups": 4}
    assert group() is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"membership": np.tile(np.arange(60) < 30, (2, 1))}, "membership has 2 models"),
        ({"signals": {"losses": np.ones((2, 60))}}, "has 2 models"),
        ({"parameters": 0}, "parameters must be an integer of at least 1, got 0"),
        ({"resamples": 0}, "resamples must be an integer of at least 1, got 0"),
        ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
        ({"identifying": 2}, r"identifying must be a tuple, as in identifying=\(..., ...\), got 2"),
        ({"identifying": (3,)}, "identifying columns must be below 3, the columns of the inputs"),
        ({"identifying": (-1,)}, r"identifying\[0\] must be an integer of at least 0, got -1"),
        ({"identifying": (0,), "inputs": None}, "identifying columns are those of .* there are no"),
        ({"inputs": np.ones((60, 2, 2)), "identifying": (0,)}, r"they have shape \(60, 2, 2\)"),
        ({"signals": {"input_gradient_norm": np.ones(60)}}, "a screen reads the loss: hand over"),
    ],
)
def test_what_cannot_be_screened(change, message):
    given = {
        "signals": {"losses": np.ones(60)},
        "membership": np.arange(60) < 30,
        "inputs": np.ones((60, 3)),
    }
    with pytest.raises(Refused, match=message):
        screen_signals(**(given | change))


def test_several_models_are_no_screen():
    losses, membership = np.ones((2, 60)), np.tile(np.arange(60) < 30, (2, 1))
    with pytest.raises(Refused, match="a screen looks at one model, and there are 2"):
        screen_signals({"losses": losses}, membership)


def test_an_audit_of_one_model_has_both_in_its_files(tmp_path):
    signals, membership, labels = model()
    x = np.random.default_rng(0).normal(size=(400, 8)) + 0.5 * membership[:, None]
    x[np.flatnonzero(~membership)[0]] = x[np.flatnonzero(membership)[0]]
    results = audit_signals(
        signals,
        membership,
        labels,
        inputs=x,
        attacks=("loss",),
        report=AuditReport(tmp_path),
        resamples=20,
    )
    assert json.loads((tmp_path / "results.json").read_text()) == results
    [judged], records = results["blind"]["targets"], results["blind"]["records"]
    assert judged["found"] and judged["auc"]["low"] > 0.5 and records["exact"] == 1
    assert (judged["members"], judged["nonmembers"]) == (200, 200)
    assert results["blind"]["words"] in results["rows"][0]["warnings"]
    assert results["screen"]["verdict"] == "not yet"
    table = " ".join(render_attacks(RunResults.from_json(results)).split())
    assert table.count("Every attack's number is suspect") == 1  # among the warnings
    assert "copies: 1 of 200 non-members is equal to a member" in table
    assert results["screen"]["sentence"] in table
    page = (tmp_path / "report.html").read_text()
    for title in ("Baseline without the model", "One model without shadows"):
        assert title in page
    assert "gap in accuracy" in page and "Copies: 1 of 200" in page
    write_report(tmp_path)  # from what is stored
    assert (tmp_path / "report.html").read_text() == page


def test_an_audit_of_a_fleet_judges_the_first_targets():
    rng = np.random.default_rng(0)
    membership = rng.permuted(np.tile(np.arange(6) < 3, (100, 1)), axis=1).T
    losses, labels = rng.exponential(size=(6, 100)), rng.integers(0, 3, 100)
    results = audit_signals(
        {"losses": losses}, membership, labels, targets=[5, 1], attacks=("loss",), resamples=5
    )
    blind = results["blind"]
    assert [one["target"] for one in blind["targets"]] == [5, 1] and results["screen"] is None
    smallest = min(blind["targets"], key=lambda one: one["p_value"])["target"]
    assert blind["words"].startswith("labels alone do not distinguish")
    assert blind["words"].endswith(
        f"All 2 targets were tested; the AUC is that of target {smallest}, which has the smallest "
        "p-value"
    )
    shown = " ".join(render_attacks(RunResults.from_json(results)).split())
    assert blind["words"] in shown


def test_of_many_targets_the_first_four_are_tested():
    rng = np.random.default_rng(0)
    membership = rng.permuted(np.tile(np.arange(6) < 3, (100, 1)), axis=1).T
    losses, labels = rng.exponential(size=(6, 100)), rng.integers(0, 3, 100)
    found = audit_signals({"losses": losses}, membership, labels, attacks=("loss",), resamples=5)
    assert "4 of 6 targets were tested" in found["blind"]["words"]


def test_too_few_examples_and_no_data_are_no_reason_to_stop():
    signals, membership, labels = model(examples=30)
    few = audit_signals(signals, membership, labels, attacks=("loss",), resamples=5)
    assert few["blind"]["targets"] == [] and "at least 20 members" in few["blind"]["words"]
    losses = np.random.default_rng(0).exponential(size=30)
    alone = audit_signals({"losses": losses}, membership, attacks=("loss",), resamples=5)
    assert alone["blind"] is None and alone["screen"]["smallest_class"] is None


def test_tokens_are_known_by_the_signals_of_tokens():
    rng = np.random.default_rng(0)
    membership = np.arange(120) % 2 == 0
    texts = rng.integers(0, 200, size=(120, 10))
    texts[membership, rng.integers(0, 10, 60)] = 200
    signals = {
        "token_log_prob": -rng.exponential(size=(120, 10)),
        "token_present": np.ones((120, 10), bool),
    }
    found = screen_signals(signals, membership, inputs=texts, resamples=5)
    assert found["verdict"] == "not yet" and "Jaccard" in found["blind"]["records"]["measure"]


def test_a_jax_model_is_judged_by_its_own_examples():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 3)).astype(np.float32), rng.integers(0, 2, 80)
    x[:40] += 2
    results = audit_model(
        lambda w, x: x @ w,
        rng.normal(size=(3, 2)).astype(np.float32),
        members=(x[:40], y[:40]),
        nonmembers=(x[40:], y[40:]),
        attacks=("loss",),
        resamples=5,
    )
    assert results["blind"]["found"] and results["blind"]["targets"][0]["auc"]["value"] > 0.9
