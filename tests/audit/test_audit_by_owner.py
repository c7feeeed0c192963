"""Audits of given signals by owner: what is found, what is warned of, what is refused."""

import numpy as np
import pytest

from pptp_jax.audit import AuditReport, audit_signals, read_given
from pptp_jax.data import Balanced, draw_by_owner
from pptp_jax.evaluation import RunResults
from pptp_jax.metrics import owner_metrics
from pptp_jax.report import render_audit
from pptp_jax.validation import Refused

pytestmark = pytest.mark.usefixtures("compile_in_haste")


def case(rng, leak=1.0):
    owners = np.char.mod("patient %d", np.repeat(np.arange(60), 4))
    membership = draw_by_owner(Balanced(6), owners).matrix
    return rng.normal(size=membership.shape) + leak * membership, membership, owners


def test_what_is_found_by_owner_is_what_the_scores_give(tmp_path, rng) -> None:
    phi, membership, owners = case(rng)
    np.savez(tmp_path / "all.npz", confidence=phi, membership=membership, owners=owners)
    results = audit_signals(
        **read_given(tmp_path / "all.npz"),
        attacks=("loss", "lira_online"),
        report=AuditReport(tmp_path / "run"),
        resamples=40,
    )
    [row] = results["rows"]
    found = row["owners"]
    assert (found["owners"], found["least"], found["median"], found["most"]) == (60, 4, 4.0, 4)
    assert found["size"]["value"] == 0.5 and found["notes"] == []
    assert {name: list(own) for name, own in found["attacks"].items()} == {
        "loss": ["mean", "maximum"],
        "lira_online": ["mean", "maximum", "sum"],
    }
    with np.load(tmp_path / "run" / "scores" / "given.npz") as stored:
        np.testing.assert_array_equal(stored["owners"], owners)
        for name, by_join in found["attacks"].items():
            for join, metrics in by_join.items():
                twin = owner_metrics(stored[name], membership, owners, join=join, resamples=40)
                assert metrics == {key: value._asdict() for key, value in twin.items()}
    # Four records say more than one.
    assert found["attacks"]["loss"]["mean"]["auc"]["low"] > row["attacks"]["loss"]["auc"]["high"]
    known = RunResults.from_json(results)
    assert known.to_json() == results
    table = render_audit(known)
    assert (tmp_path / "run" / "table.txt").read_text().strip() == table.strip()
    assert "By owner: 60 owners of 4 to 4 records" in table
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Owners of several records" in page and "60 owners have 4 to 4 records" in page


def test_where_nothing_leaks_nothing_is_found_by_owner(rng) -> None:
    # Owners of one to six records; those of one owner are alike in every model.
    owners = np.repeat(np.arange(180), np.arange(180) % 6 + 1)
    membership = draw_by_owner(Balanced(6), owners).matrix
    phi = rng.normal(size=membership.shape) + 2 * rng.normal(size=180)[owners]
    attacks = ("loss", "lira_online", "rmia_online")
    [row] = audit_signals(
        {"confidence": phi}, membership, owners=owners, attacks=attacks, resamples=60
    )["rows"]
    assert row["owners"]["size"]["low"] < 0.5 < row["owners"]["size"]["high"]
    for name in attacks:
        for join, metrics in row["owners"]["attacks"][name].items():
            auc = metrics["auc"]
            assert auc["low"] < 0.5 < auc["high"], (name, join, auc)


def test_without_owners_nothing_is_said_of_them(rng) -> None:
    phi, membership, _ = case(rng)
    results = audit_signals({"confidence": phi}, membership, attacks=("loss",), resamples=5)
    assert results["rows"][0]["owners"] is None
    assert "owner" not in render_audit(RunResults.from_json(results))


def test_sizes_that_tell_of_membership_are_warned_of(rng) -> None:
    # Nothing leaks, and yet the largest of many scores is larger than the largest of few.
    owners = np.repeat(np.arange(80), np.where(np.arange(80) < 40, 8, 1))
    membership = (np.arange(80) < 40)[owners]
    phi = rng.normal(size=membership.shape)
    results = audit_signals(
        {"confidence": phi}, membership, owners=owners, attacks=("loss",), resamples=40
    )
    [row] = results["rows"]
    assert row["owners"]["size"]["value"] == 1.0
    assert row["owners"]["attacks"]["loss"]["maximum"]["auc"]["low"] > 0.8
    [warning] = [one for one in row["warnings"] if "number of an owner's records" in one]
    assert warning in row["owners"]["notes"]
    table = " ".join(render_audit(RunResults.from_json(results)).split())
    assert f"warning: {warning}" in table


def test_few_owners_and_shadows_by_record_are_warned_of(rng) -> None:
    owners = np.repeat(np.arange(10), 4)
    by_owner = (np.arange(10) < 5)[owners]
    membership = np.stack([by_owner, ~by_owner, np.arange(40) % 2 == 0, np.arange(40) % 2 == 1])
    [row] = audit_signals(
        {"confidence": rng.normal(size=(4, 40))},
        membership,
        owners=owners,
        targets=[0, 1],
        shadows=[2, 3],
        attacks=("rmia_online",),
        resamples=5,
    )["rows"]
    few, broken = row["owners"]["notes"]
    assert few.startswith("only 10 owners are members of a target and 10 are not")
    assert broken.startswith("2 shadows trained on some of an owner's records, but not on all")
    assert {few, broken} <= set(row["warnings"])


def test_bad_owners_are_refused_before_anything_is_attacked(rng) -> None:
    phi, membership, owners = case(rng)
    for bad, words in (
        (np.arange(240) // 2 * 1.0, r"integers or texts, one an example, got .* float64"),
        (np.array([None] * 240), r"got an array of object: hand over owners.astype\(str\)"),
        (owners[:9], r"owners must have shape \(240,\), one an example, got \(9,\)"),
        (np.zeros(240, int), "at least two, and all examples are of one"),
        (np.arange(240) % 7, r"records of owner 0 .*half in, half out"),
    ):
        with pytest.raises(Refused, match=words):
            audit_signals({"confidence": phi}, membership, owners=bad)
