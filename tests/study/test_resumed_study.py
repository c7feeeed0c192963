"""A small study interrupted, changed, damaged."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from small_study import STUDY, fleets, rows

from pptp_jax.data import member_indices
from pptp_jax.fleets import Runtime
from pptp_jax.fleets import plan as study_plan
from pptp_jax.models import mlp
from pptp_jax.signals import FLIP, IDENTITY
from pptp_jax.study import run
from pptp_jax.training import Checkpoint, Progress, Recipe


class Stopped(Exception):
    pass


def test_an_interrupted_run_ends_with_the_same_numbers(done: Path, tmp_path: Path) -> None:
    def stop(recipe: Recipe, progress: Progress) -> None:
        if recipe.name == "freeze":
            raise Stopped

    with pytest.raises(Stopped):
        run(STUDY, tmp_path, runtime=Runtime(on_progress=stop))
    before = fleets(tmp_path)
    assert len(before) == 1
    run(STUDY, tmp_path)
    assert rows(tmp_path) == rows(done)
    assert before.items() <= fleets(tmp_path).items()


def test_a_stopped_run_says_what_it_was_about(done: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(STUDY, tmp_path, runtime=Runtime(stop=lambda: True))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    results = json.loads((done / "results.json").read_text())
    homes = manifest.pop("fleets")
    assert all((done / home / "fleet.json").is_file() for home in homes)
    assert manifest == {name: results[name] for name in manifest} and "seed" in manifest
    # The first fleet was begun, and has a state to go on from.
    first = tmp_path / homes[0]
    matrix = np.load(done / "signals" / "membership.npy")
    np.testing.assert_array_equal(np.load(first / "members.npy"), member_indices(matrix))
    assert json.loads((first / "fleet.json").read_text())["seed"] == STUDY.seed
    assert Checkpoint(first / "checkpoint-0").latest() == 1
    (first / ".fleet.json.1.part").write_text("half")  # as a kill leaves it
    told: list[Progress] = []
    run(
        STUDY, tmp_path, runtime=Runtime(on_progress=lambda recipe, progress: told.append(progress))
    )
    assert told[0].epoch == 2 and rows(tmp_path) == rows(done)
    assert not [*tmp_path.rglob("*.part")]
    Checkpoint(first / "checkpoint-0").save(
        2, {"of": jnp.zeros(1)}, now=True
    )  # of no use to a finished group
    run(STUDY, tmp_path)
    assert not [*tmp_path.rglob("checkpoint-*")]


def test_a_full_disk_loses_what_was_being_written_alone(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, real, known = replace(STUDY, recipes=STUDY.recipes[:1]), os.fsync, rows(done)[0]
    # In the plan, the signals, their manifest, and the results.
    for writes in (3, 7, 8, 10):
        left = [writes]

        def fsync(number: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(number)

        with monkeypatch.context() as full, pytest.raises(OSError, match="No space left") as error:
            full.setattr(os, "fsync", fsync)
            run(study, tmp_path)
        assert str(tmp_path) in error.value.filename
        assert not (tmp_path / "results.json").exists() and not [*tmp_path.rglob("*.part")]
    run(study, tmp_path)
    [row] = rows(tmp_path)
    assert row["attacks"] == known["attacks"]


def test_a_finished_run_trains_nothing_and_a_forced_one_everything(done: Path) -> None:
    before, told = fleets(done), []
    stale = [done / name for name in ("report.html", "roc.png")]
    for path in stale:  # a report of earlier results, which `pptp run` would write again
        path.write_text("of an earlier run")
    run(STUDY, done, runtime=Runtime(on_progress=lambda recipe, progress: told.append(recipe)))
    assert fleets(done) == before and not told and not any(path.exists() for path in stale)
    known = rows(done)
    run(
        STUDY,
        done,
        runtime=Runtime(resume=False, on_progress=lambda recipe, progress: told.append(recipe)),
    )
    assert len(told) == 6 and rows(done) == known
    assert not fleets(done).items() & before.items()


def test_whatever_changes_makes_another_fleet(done: Path) -> None:
    first = replace(STUDY, recipes=STUDY.recipes[:1])
    heavier = replace(first, optimizer=replace(first.optimizer, weight_decay=0.01))
    known, seen = set(fleets(done)), set()
    for changed in (
        heavier,
        replace(first, seed=1),
        replace(first, batch_size=75),
        replace(first, examples=200, batch_size=50),
        replace(first, model=mlp([8], num_classes=10, activation="relu")),
        replace(first, queries=(IDENTITY, FLIP)),
    ):
        results = run(changed, done)
        new = set(fleets(done)) - known - seen
        assert len(new) == 1, changed
        seen |= new
    assert known <= set(fleets(done))
    assert results["queries"] == ["identity", "flip"]
    assert np.load(done / "signals" / "undefended_2.npy").shape == (6, 2, 300)
    # And back again: nothing is trained.
    told = []
    run(STUDY, done, runtime=Runtime(on_progress=lambda recipe, progress: told.append(recipe)))
    assert not told


def test_regions_are_stored_with_a_fleet_and_compared(done: Path) -> None:
    path = next(done.glob("fleets/freeze*/fleet.json"))
    stored = json.loads(path.read_text())
    assert ["stem/kernel", "protect"] in stored["regions"]["rules"]
    assert [row["regions"] for row in rows(done)][:2] == [None, stored["regions"]]
    swapped = path.read_text().replace("protect", "x").replace("general", "protect")
    path.write_text(swapped.replace('"x"', '"general"'))
    try:
        with pytest.raises(ValueError, match=r"the regions are not those of the record\nnow: .*"):
            run(STUDY, done)
    finally:
        path.write_text(json.dumps(stored))


def test_only_the_damaged_group_is_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_plan, "fitting_chunk", lambda *_: 2)
    study = replace(STUDY, recipes=STUDY.recipes[:1], trajectory=(1,), resamples=10)
    told: list[Progress] = []
    known = run(study, tmp_path)
    [home] = (tmp_path / "fleets").iterdir()
    whole = {path: path.read_bytes() for path in home.rglob("*.npy")}
    logits, way = home / "after-2" / "logits.npy", home / "after-1" / "confidence.npy"
    for path, at, groups in (
        (logits, 2.5 / 6, 1),  # the third model, of the second group
        (way, 5.5 / 6, 1),
        (way, None, 2),  # cut in the fourth model: the last two groups
    ):
        cut = bytearray(whole[path])
        if at is None:
            cut = cut[: len(cut) * 7 // 12]
        else:
            cut[128 + int(at * (len(cut) - 128))] ^= 1
        path.write_bytes(cut)
        told.clear()
        again = run(
            study,
            tmp_path,
            runtime=Runtime(on_progress=lambda recipe, progress: told.append(progress)),
        )
        assert [progress.training for progress in told] == [2, 2] * groups
        assert again["rows"] == known["rows"] and again["curves"] == known["curves"]
        assert {p: p.read_bytes() for p in home.rglob("*.npy")} == whole


def test_what_is_left_of_another_fleet_is_never_taken(tmp_path: Path) -> None:
    study = replace(STUDY, recipes=STUDY.recipes[:1], resamples=10)
    known = run(study, tmp_path)
    [home] = (tmp_path / "fleets").iterdir()
    record = (home / "fleet.json").read_text()
    other = json.loads(record) | {"key": "of another one with the same beginning"}
    for left in (json.dumps(other), record[:-9], record.replace("5", "4")):
        (home / "fleet.json").write_text(left)
        Checkpoint(home / "checkpoint-0").save(1, {"of": jnp.zeros(1)}, now=True)
        assert Checkpoint(home / "checkpoint-0").latest() == 1
        told: list[Progress] = []
        again = run(
            study, tmp_path, runtime=Runtime(on_progress=lambda _, now, told=told: told.append(now))
        )
        assert len(told) == 2 and again["rows"] == known["rows"]
        assert (home / "fleet.json").read_text() == record
