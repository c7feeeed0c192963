"""Experiments for one GPU: the cost and the miniature of a study, parts of a fast training."""

import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pptp_jax.fleets import Runtime
from pptp_jax.study import Study, load_study
from pptp_jax.training import Phase, same_training

ROOT = Path(__file__).parents[1]
STUDY, FAST = (ROOT / "experiments" / f"cifar10_{name}.py" for name in ("gpu", "fast"))


def test_the_predicted_operations_are_those_of_the_study() -> None:
    study = load_study(STUDY)
    width = study.model.config["width"]
    products, side, inputs = 32 * 32 * 9 * 3 * width, 32, width
    for stage in (1, 2, 3):  # a convolution, pooling and, but for the second, a pair
        outputs = 2**stage * width
        products += side**2 * 9 * inputs * outputs
        side //= 2
        products += (stage != 2) * 2 * side**2 * 9 * outputs**2
        inputs = outputs
    epochs, trunks = 0, list[Phase]()
    for recipe in study.recipes:
        trunk, anneal = recipe.phases
        longer = [one for one in trunks if same_training(replace(one, epochs=trunk.epochs), trunk)]
        assert all(trunk.epochs < one.epochs for one in longer)
        epochs += anneal.epochs + (0 if longer else trunk.epochs)
        trunks.append(trunk)
    assert epochs == 120
    flop = 3 * 2 * products * epochs * study.examples / 2 * study.split.models
    said = STUDY.read_text()
    assert f"{products / 1e6:.1f} million products" in said
    assert f"{flop:.1e} FLOP".replace("+", "") in said


def test_the_fast_training_rises_and_falls_once_with_nesterovs_momentum() -> None:
    one_cycle = runpy.run_path(str(FAST))["one_cycle"]
    tx, steps, weight, velocity = one_cycle(0.4)(10), 10, 2.0, 0.0
    state, found = tx.init(jnp.float32(weight)), jnp.float32(weight)
    for step in range(steps):
        update, state = tx.update(jnp.float32(1.0), state, found)
        found += update
        rate = 0.4 * (step / 2 if step < 2 else (10 - step) / 8)
        gradient = 1.0 + 5e-4 * weight
        velocity = 0.9 * velocity + gradient
        weight -= rate * (gradient + 0.9 * velocity)
        assert found == pytest.approx(weight, rel=1e-5)


def test_the_fast_training_learns_the_first_images_and_tests_the_last(tmp_path: Path) -> None:
    parts = []
    for first in (0, 6):
        x = np.arange(first, first + 6, dtype=np.uint8).repeat(12).reshape(6, 2, 2, 3)
        parts.append(tmp_path / f"{first}.npz")
        np.savez(parts[-1], x=x, y=np.arange(first, first + 6) % 10)
    images = runpy.run_path(str(FAST))["images"]
    data = images(parts, 7, 2)
    assert data.x[:, 0, 0, 0].tolist() == [*range(7), 10, 11]
    assert data.y.tolist() == [*range(7), 0, 1] and data.scale == 1 / 255
    with pytest.raises(SystemExit, match="there are 12 images, fewer than 13"):
        images(parts, 7, 6)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from accelerator_steps import gpu_study

    return gpu_study


def measured(step: Any, out: Path, seconds: float) -> Any:
    """What the step leaves after a number of seconds."""
    from accelerator_steps.process import read
    from accelerator_steps.recorder import Recorder, Setting

    setting = Setting(rehearse=True, data=None, network="cnn", out=out, options=())
    lines = out.with_suffix(".jsonl")
    step.measure(Recorder(lines, seconds), setting)
    return read(lines)


def test_the_step_ends_with_its_time(
    step: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(study: Study, out: Path, runtime: Runtime) -> None:
        assert out == tmp_path / "run" and len(study.recipes) == 2
        if runtime.stop():
            raise KeyboardInterrupt

    from accelerator_steps import study as any_study

    monkeypatch.setattr(any_study, "run", run)
    ended = measured(step, tmp_path / "run", -1)
    assert ended.notes == ["0 of 2 recipes were finished in time"] and not ended.rows
    (tmp_path / "run.jsonl").unlink()
    assert not measured(step, tmp_path / "run", 1000).notes


@pytest.mark.slow
def test_the_study_in_miniature(step: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with jax.numpy_dtype_promotion("standard"):  # Flax's norm of bfloat16 needs it
        found = measured(step, out, 1000)
    values = {row["name"]: row["value"] for row in found.rows}
    results = json.loads((out / "results.json").read_text())
    assert results["models"] == 6 and results["precision"].startswith("bfloat16")
    assert results["queries"] == ["identity", "flip"]
    plain, decayed = (row["slug"] for row in results["rows"])
    assert decayed == "annealed_decay_1+1_stage3_weight_decay_0.005"
    for slug, epochs in ((plain, 3), (decayed, 2)):
        assert values[f"cifar10_gpu, {slug}: trainings of {epochs} epochs"] > 0
    for row in results["rows"]:
        scores = np.load(out / "scores" / f"{row['slug']}.npz")
        for attack in ("lira_online", "rmia_online"):
            auc = roc_auc_score(scores["membership"].ravel(), scores[attack].ravel())
            assert values[f"cifar10_gpu, {row['slug']}: {attack}, auc"] == pytest.approx(auc)
            assert row["attacks"][attack]["auc"]["value"] == pytest.approx(auc)
