"""Attacks of one's own in a study: with options, or on a signal that nobody else knows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, Attack, Evidence
from pptp_jax.data import Balanced, Digits
from pptp_jax.models import mlp
from pptp_jax.report import write_report
from pptp_jax.study import Study, run
from pptp_jax.tasks import Signal
from pptp_jax.training import undefended

SPREAD = Signal(
    name="spread",
    axes=("models", "examples"),
    access="scores",
    reduce=lambda answers, targets: answers[0].max() - answers[0].min(),
)
WIDEST = Attack(
    name="widest",
    title="widest",
    access="scores",
    reads=(SPREAD,),
    source="mine",
    function=lambda held: held.target_signal("spread"),
)
STUDY = Study(
    name="own",
    data=Digits(),
    model=mlp([4], num_classes=10),
    split=Balanced(models=4),
    examples=80,
    batch_size=20,
    attacks=("loss", ATTACKS["rmia_offline"].using(a=0.6), WIDEST),
    compared="rmia_offline(a=0.6)",
    resamples=10,
    recipes=(undefended(1),),
)


def test_a_study_takes_names_attacks_with_options_and_new_attacks(tmp_path: Path) -> None:
    results = run(STUDY, tmp_path)
    write_report(tmp_path)
    [row] = results["rows"]
    names = ["loss", "rmia_offline(a=0.6)", "widest"]
    assert list(row["attacks"]) == names and row["roc"] is not None
    config = json.loads((tmp_path / "manifest.json").read_text())["config"]
    assert config["attacks"][1] == {"name": "rmia_offline(a=0.6)", "options": {"a": 0.6}}
    signals, [membership] = {}, [np.load(tmp_path / "signals" / "membership.npy")]
    [end] = tmp_path.glob("fleets/*/after-1")
    for name in ("logits", "spread", "confidence"):
        signals[name] = np.load(end / f"{name}.npy")
    with np.load(tmp_path / "scores" / "undefended_1.npz") as scores:
        logits = signals["logits"][:, 0]
        spread = logits.max(axis=-1) - logits.min(axis=-1)
        np.testing.assert_allclose(scores["widest"], spread, rtol=1e-5)
        held = Evidence.leave_one_out({"confidence": signals["confidence"]}, membership)
        known = ATTACKS["rmia_offline"](held, a=0.6)
        np.testing.assert_allclose(scores["rmia_offline(a=0.6)"], known, rtol=1e-5)
    assert "RMIA offline (a=0.6)" in (tmp_path / "report.html").read_text()


def test_an_attack_stands_once_and_the_compared_one_is_known() -> None:
    with pytest.raises(ValueError, match="the attack loss more than once"):
        replace(STUDY, attacks=("loss", "loss"))
    with pytest.raises(ValueError, match="'widst' is unknown; did you mean 'widest'"):
        replace(STUDY, compared="widst")
    with pytest.raises(ValueError, match="attacks must be a tuple"):
        replace(STUDY, attacks=(1,))
