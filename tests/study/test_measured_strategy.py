"""The strategy of a study: measured once, remembered, and kept by the fleets that have it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pptp_jax.data import Balanced, Digits
from pptp_jax.models import mlp
from pptp_jax.study import Study, measured_strategy, run
from pptp_jax.study import strategy as module
from pptp_jax.training import Strategy, undefended
from pptp_jax.training.autotune import Probe

STUDY = Study(
    name="tiny",
    data=Digits(),
    model=mlp([8], num_classes=10),
    split=Balanced(models=6),
    examples=300,
    batch_size=50,
    attacks=("loss",),
    compared="loss",
    resamples=10,
    recipes=(undefended(1),),
)


def test_a_measured_strategy_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[object] = []

    def probe(*args: object, **options: object) -> Probe:
        measured.append(options)
        return Probe(Strategy(devices=2), {"vmap": 2000.0, "scan": 1000.0})

    monkeypatch.setattr(module, "fastest_strategy", probe)
    told: list[str] = []
    data, memory = STUDY.load(), tmp_path / "cache" / "strategies.json"

    def ask(study: Study, memory: Path | None, devices: int = 2) -> Strategy:
        return measured_strategy(study, data, memory=memory, devices=devices, log=told.append)

    assert ask(STUDY, memory) == ask(STUDY, memory) == Strategy(devices=2)
    assert measured == [{"batch_size": 50, "models": 6, "devices": 2, "data_devices": 1}]
    sentence = "training by vmap on 2 devices, cpu: examples a second by vmap 2,000, scan 1,000"
    assert told == [sentence] * 2
    # Another model, batch or number of devices is another question, and so is a damaged answer.
    ask(replace(STUDY, batch_size=30), memory)
    ask(replace(STUDY, model=mlp([9], num_classes=10)), memory)
    ask(STUDY, memory, devices=1)
    assert len(measured) == 4
    memory.write_text(memory.read_text()[:-9])
    ask(STUDY, memory)
    ask(STUDY, None)
    assert len(measured) == 6 and len(json.loads(memory.read_text())) == 1


def test_a_fleet_keeps_its_strategy(tmp_path: Path) -> None:
    first = run(STUDY, tmp_path, strategy=lambda study, data: Strategy(order="unrolled", devices=4))
    [record] = tmp_path.rglob("fleet.json")
    plan = json.loads(record.read_text())
    assert plan["strategy"] == {"order": "unrolled", "devices": 4, "data_devices": 1}
    [store] = tmp_path.rglob("after-1")
    before = np.load(store / "confidence.npy")
    (store / "confidence.npy").unlink()
    # More devices than there are now: the run goes on with those.
    record.write_text(json.dumps(plan | {"strategy": {"order": "unrolled", "devices": 64}}))
    again = run(STUDY, tmp_path)
    np.testing.assert_allclose(np.load(store / "confidence.npy"), before, rtol=1e-4, atol=1e-5)
    assert first["strategy"] == {"type": "Strategy", **plan["strategy"]}
    assert again["strategy"]["order"] == "scan"  # what new fleets would get
