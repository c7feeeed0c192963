"""Fleets whose models do not fit into memory side by side."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from small_study import STUDY

from pptp_jax.fleets import Runtime
from pptp_jax.fleets import group as fleet_group
from pptp_jax.fleets import plan as study_plan
from pptp_jax.study import run


def scarce(monkeypatch: pytest.MonkeyPatch, fits: Callable[[tuple[int, ...], int], bool]) -> None:
    """Lets allocations fail for groups, by their models and their width, that do not fit."""
    real = fleet_group.train_fleet

    def train(*args, execution, **options):
        for group in execution.groups:
            if not fits(group, execution.width):
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9.")
        return real(*args, execution=execution, **options)

    monkeypatch.setattr(fleet_group, "train_fleet", train)


def test_groups_are_halved_where_memory_fails(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_plan, "fitting_chunk", lambda *_: 3)
    study, told = replace(STUDY, recipes=STUDY.recipes[:1]), []
    with monkeypatch.context() as patched:
        scarce(patched, lambda group, width: 0 in group or width < 3)
        run(study, tmp_path, runtime=Runtime(log=told.append))
    need = r"undefended_2: {} models at a time, predicted to need \d+ KB and the data"
    assert re.fullmatch(need.format(3), told[0]) and re.fullmatch(need.format(2), told[2])
    assert told[1] == "undefended_2: the memory does not suffice; going on with 2 at a time"
    [home] = (tmp_path / "fleets").iterdir()
    plan = json.loads((home / "fleet.json").read_text())
    assert plan["groups"] == [[0, 1, 2], [3, 4], [5]] and plan["widths"] == [3, 2, 2]
    assert plan["predicted_bytes"] > 3 * 4 * 4 * (64 * 8 + 8 + 8 * 10 + 10)
    first = "signals/undefended_2.npy"
    found = np.load(tmp_path / first)
    np.testing.assert_allclose(found, np.load(done / first), rtol=1e-4, atol=1e-4)
    # What is trained again, the group of before among them, is the same program as it was.
    (home / "after-2" / "confidence.npy").unlink()
    widths: list[tuple[tuple[int, ...], int]] = []
    scarce(monkeypatch, lambda group, width: widths.append((group, width)) is None)
    run(study, tmp_path, runtime=Runtime(log=told.append))
    assert widths == [((0, 1, 2), 3), ((3, 4), 2), ((5,), 2)] and len(told) == 4
    np.testing.assert_array_equal(np.load(tmp_path / first), found)


def test_a_model_without_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scarce(monkeypatch, lambda group, width: False)
    told: list[str] = []
    with pytest.raises(ValueError, match="too small even for one model a device at a time; take"):
        run(replace(STUDY, recipes=STUDY.recipes[:1]), tmp_path, runtime=Runtime(log=told.append))
    widths = [sentence.split()[-4] for sentence in told if "suffice" in sentence]
    assert widths == ["3", "2", "1"]
