"""`experiments/cifar10_gpu.py` in miniature: stopped, taken up, trained and attacked; its budget.

Two recipes of a tiny ResNet-9: SECONDS seconds, most of them compilation.
"""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_step_goes_on_where_its_time_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from accelerator_steps import gpu_study
    from accelerator_steps.process import read
    from accelerator_steps.recorder import Recorder, Setting

    out = tmp_path / "run"
    setting = Setting(rehearse=True, data=None, network="cnn", out=out, options=())
    with jax.numpy_dtype_promotion("standard"):  # Flax's norm of bfloat16 needs it
        gpu_study.measure(Recorder(tmp_path / "early", -1), setting)  # stops after an epoch
        gpu_study.measure(Recorder(tmp_path / "late", 1000), setting)
    stopped = read(tmp_path / "early")
    assert not stopped.rows and stopped.notes[-1] == "0 of 2 recipes were finished in time"
    values = {row["name"]: row["value"] for row in read(tmp_path / "late").rows}
    results = json.loads((out / "results.json").read_text())
    assert results["models"] == 6 and results["precision"].startswith("bfloat16")
    assert results["queries"] == ["identity", "flip"]
    plain, decayed = (row["slug"] for row in results["rows"])
    assert decayed == "annealed_decay_1+1_stage3_weight_decay_0.005"
    # Two of three epochs were left of the first recipe, both of the second.
    for slug, epochs in ((plain, 3), (decayed, 2)):
        assert values[f"cifar10_gpu, {slug}: trainings of {epochs} epochs"] > 0
    for row in results["rows"]:
        scores = np.load(out / "scores" / f"{row['slug']}.npz")
        for attack in ("lira_online", "rmia_online"):
            auc = roc_auc_score(scores["membership"].ravel(), scores[attack].ravel())
            assert values[f"cifar10_gpu, {row['slug']}: {attack}, auc"] == pytest.approx(auc)
            assert row["attacks"][attack]["auc"]["value"] == pytest.approx(auc)
