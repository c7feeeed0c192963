"""A run that is killed ends with the very files of one that is not."""

import importlib
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "kill.py"


def test_a_run_that_is_killed_ends_with_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(PATH.parent)  # as Python does for a script
    kill = importlib.import_module("kill")
    monkeypatch.setenv("PYTHONPATH", str(PATH.parents[1]))
    differ, seen = kill.compare(2, 1, tmp_path)
    assert differ == []
    assert sum(one.killed for one in seen) == 2 and seen[0].epochs == kill.LINES
    # What was finished before a kill was not trained again.
    assert sum(one.epochs for one in seen[1:]) < kill.LINES + 2 * 3
    # And it would have been seen if a single bit differed.
    [path] = (tmp_path / "killed" / "fleets").glob("split*/after-3/confidence.npy")
    flipped = bytearray(path.read_bytes())
    flipped[-1] ^= 1
    before = kill.kept(tmp_path / "killed")
    path.write_bytes(flipped)
    assert kill.kept(tmp_path / "killed") != before
