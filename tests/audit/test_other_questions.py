"""Audits beyond membership: the share of the data that was used, labels, forms, parameters."""

import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

from pptp_jax.audit import AuditReport, audit_model, audit_signals, label_inference
from pptp_jax.cli import main
from pptp_jax.evaluation import RunResults
from pptp_jax.metrics import used_share
from pptp_jax.report import render_audit

pytestmark = pytest.mark.usefixtures("compile_in_haste")


def fleet(rng, models=6, examples=300, leak=3.0):
    labels = rng.integers(0, 4, examples)
    membership = rng.permuted(np.tile(np.arange(models) < models // 2, (examples, 1)), axis=1).T
    logits = rng.normal(size=(models, examples, 4)).astype(np.float32)
    logits[:, np.arange(examples), labels] += 1 + leak * membership
    return logits, membership, labels


def test_an_audit_says_what_the_functions_say(tmp_path, rng) -> None:
    logits, membership, labels = fleet(rng)
    results = audit_signals(
        {"logits": logits},
        membership,
        labels,
        attacks=("loss", "lira_online"),
        report=AuditReport(tmp_path),
        resamples=40,
    )
    twin = label_inference(logits, labels, membership, resamples=40)
    assert results["label_inference"] == twin.to_json()
    counted = results["used_share"]
    assert counted["attack"] == "lira_online" and len(counted["targets"]) == 4
    with np.load(tmp_path / "scores" / "given.npz") as stored:
        scores = stored["lira_online"]
    for target, found in enumerate(counted["targets"]):
        others = np.arange(6) != target
        one = used_share(scores[target], scores[others], membership[others], resamples=40)
        known = {"target": target, "members": membership[target].mean(), **one.to_json()}
        assert found == known
        assert found["share"]["low"] < found["members"] < found["share"]["high"]
    known = RunResults.from_json(results)
    assert known.to_json() == results
    table = render_audit(known)
    assert "share of the data that a model used: LiRA estimates it with a mean error" in table
    assert "labels of members that the models reveal: " in table
    page = (tmp_path / "report.html").read_text()
    assert "Data share and labels" in page and "the intervals of 4 of 4 models" in page


def test_a_single_target_is_counted_by_its_shadows(rng) -> None:
    logits, membership, labels = fleet(rng)
    membership[0] = np.arange(300) < 90  # another share than the shadows'
    logits[0] = rng.normal(size=(300, 4))
    logits[0, np.arange(300), labels] += 1 + 3.0 * membership[0]
    options = {"attacks": ("loss",), "targets": [0], "resamples": 40}
    results = audit_signals({"logits": logits}, membership, labels, **options)
    [one] = results["used_share"]["targets"]
    assert one["members"] == 0.3 and one["share"]["low"] < 0.3 < one["share"]["high"]
    assert one["share"]["high"] < 0.5
    line = "share of the data that model 0 used: "
    assert line in render_audit(RunResults.from_json(results))


def test_targets_that_are_no_shadows_are_counted_by_the_shadows(rng) -> None:
    logits, membership, labels = fleet(rng, models=8)
    options = {"attacks": ("loss",), "targets": [0, 1], "shadows": range(2, 8), "resamples": 20}
    results = audit_signals({"logits": logits}, membership, labels, **options)
    # Scores of LOSS do not depend on the other targets.
    every = audit_signals(
        {"logits": logits[1:]}, membership[1:], labels, attacks=("loss",), resamples=20
    )
    assert results["used_share"]["targets"][1]["tpr"] == every["used_share"]["targets"][0]["tpr"]


def test_what_is_not_possible_is_a_note(rng) -> None:
    logits, membership, labels = fleet(rng)
    results = audit_signals({"logits": logits[0]}, membership[0], labels, resamples=20)
    assert results["used_share"] is results["label_inference"] is None
    notes = results["rows"][0]["notes"]
    assert [note for note in notes if note.startswith("used share: ")] == [
        "used share: the rates of guesses need at least 2 shadows, got 0: thresholds are chosen on "
        "others than those that judge them"
    ]
    assert any(note.startswith("label inference: no other model") for note in notes)
    nothing = rng.normal(size=membership.shape)
    results = audit_signals({"confidence": nothing}, membership, resamples=20, attacks=("loss",))
    assert any("cannot be debiased" in note for note in results["rows"][0]["notes"])
    assert results["label_inference"] is None


def test_the_parameters_of_a_model_are_counted(rng) -> None:
    x, y = rng.normal(size=(80, 6)).astype(np.float32), rng.integers(0, 3, 80)
    params = {"w": jnp.asarray(rng.normal(size=(6, 3))), "b": jnp.zeros(3), "seen": jnp.array(7)}
    results = audit_model(
        lambda p, x: x @ p["w"] + p["b"][None],
        params,
        (x[:40], y[:40]),
        (x[40:], y[40:]),
        resamples=20,
    )
    assert results["screen"]["parameters"] == {"count": 21, "per_member": 21 / 40}


def test_queries_may_be_forms_of_a_record(tmp_path, rng) -> None:
    _, membership, _ = fleet(rng, models=8)
    forms = rng.normal(size=(8, 4, 300))
    used = rng.integers(0, 4, size=(8, 1, 300)) == np.arange(4)[:, None]
    forms += 2 * (used & membership[:, None]) + 1.5 * membership[:, None]
    np.savez(tmp_path / "all.npz", confidence=forms.astype(np.float32), membership=membership)
    path, out = str(tmp_path / "all.npz"), str(tmp_path / "out")
    words = ["audit", "--signals", path, "--membership", path, "--out", out, "--range"]
    result = CliRunner().invoke(main, [*words, "--attack", "rmia_online", "--resamples", "20"])
    assert result.exit_code == 0, result.output
    assert "RMIA over a range" in result.output
    assert "--attack rmia_online --range --resamples 20" in (tmp_path / "out/README.md").read_text()
