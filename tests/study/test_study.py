"""A small study from beginning to end, interrupted, changed, damaged."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.data import Balanced, Digits, Npz, Quarters
from pptp_jax.metrics import auc, metric_names, roc
from pptp_jax.models import Model, Variables, mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.signals import FLIP, IDENTITY, logit_scaled_confidence, shift
from pptp_jax.study import Study, load_study, narrowed, run
from pptp_jax.study import fleets as study_fleets
from pptp_jax.study import plan as study_plan
from pptp_jax.study.config import describe
from pptp_jax.training import Checkpoint, Progress, Recipe, freeze, split, undefended

STUDY = Study(
    name="small",
    data=Digits(),
    model=mlp([8], num_classes=10),
    split=Balanced(models=6),
    examples=300,
    batch_size=50,
    resamples=50,
    recipes=(
        undefended(2),
        freeze("stem", after=1, more=1),
        split("head", RelaxLoss(alpha=1.0), 2),
    ),
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("done")
    run(STUDY, out)
    return out


def rows(out: Path):
    return json.loads((out / "results.json").read_text())["rows"]


def fleets(out: Path) -> dict[str, int]:
    return {
        str(p.relative_to(out)): p.stat().st_mtime_ns for p in out.rglob("after-*/manifest.json")
    }


def test_the_results_say_everything(done: Path) -> None:
    results = json.loads((done / "results.json").read_text())
    assert {"config", "versions", "seed", "data", "device"} <= set(results)
    assert len(results["data"]["fingerprint"]) == 64
    assert [(r["recipe"], r["defence"], r["strength"], r["region"]) for r in results["rows"]] == [
        ("undefended", "none", None, "-"),
        ("freeze", "none", None, "stem"),
        ("split", "relaxloss", 1.0, "head"),
    ]
    for row in results["rows"]:
        assert set(row["attacks"]) == set(STUDY.attacks)
        assert len(row["train_loss"]) == 2 and row["train_loss"][1] < row["train_loss"][0]
        for attack in row["attacks"].values():
            assert set(attack) == set(metric_names())
        assert [part["slice"] for part in row["per_class"]] == list(range(10))
        for name in ("per_class", "per_decile"):
            assert sum(part["members"] for part in row[name]) == 6 * 150
            assert {"auc", "tpr@0.01"} <= set(row[name][0]["metrics"])
        assert set(row["calibrated"]) == {"best", "fpr@0.01", "fpr@0.001"}
        assert set(row["roc"]) == {"fpr", "tpr", "low", "high"}
        assert row["agreement"]["attacks"] == [*row["stability"]] == list(STUDY.attacks)
        numbers = [row["train_accuracy"], row["test_accuracy"]]
        numbers += [a[key] for a in row["attacks"].values() for key in ("auc", "tpr@0.01")]
        for number in numbers:
            assert number["low"] <= number["value"] <= number["high"]
        # 6 targets of 150 non-members: fewer than a thousand.
        assert row["attacks"]["loss"]["tpr@0.001"]["value"] is None
        assert row["attacks"]["loss"]["tpr@0.01"]["coarse"]
        assert "coarse" not in row["attacks"]["loss"]["tpr@0.1"]


def test_the_numbers_follow_from_what_is_stored(done: Path) -> None:
    signals = done / "signals"
    membership = np.load(signals / "membership.npy")
    labels, ids = np.load(signals / "labels.npy"), np.load(signals / "example_ids.npy")
    assert membership.shape == (6, 300) and labels.shape == ids.shape == (300,)
    for recipe, row in zip(STUDY.recipes, rows(done), strict=True):
        phi = np.load(signals / f"{recipe.slug}.npy")
        assert phi.shape == (6, 1, 300) and phi.dtype == np.float32
        logits = np.load(signals / "logits" / f"{recipe.slug}.npy", mmap_mode="r")
        assert logits.shape == (6, 1, 300, 10) and logits.dtype == np.float32
        phi_of_logits = logit_scaled_confidence(jnp.array(logits[:, 0]), jnp.array([labels] * 6))
        np.testing.assert_allclose(phi[:, 0], phi_of_logits, rtol=1e-5, atol=1e-5)
        scores = attack_targets(ATTACKS["rmia_online"], phi, membership, range(6))
        with np.load(done / "scores" / f"{recipe.slug}.npz") as stored:
            np.testing.assert_array_equal(stored["rmia_online"], scores)
            np.testing.assert_array_equal(stored["membership"], membership)
        known = auc(roc(scores, membership))
        assert row["attacks"]["rmia_online"]["auc"]["value"] == pytest.approx(known)
        correct = logits[:, 0].argmax(axis=-1) == labels
        for name, chosen in (("train_accuracy", membership), ("test_accuracy", ~membership)):
            assert row[name]["value"] == pytest.approx(correct[chosen].mean())


class Stopped(Exception):
    pass


def test_an_interrupted_run_ends_with_the_same_numbers(done: Path, tmp_path: Path) -> None:
    def stop(recipe: Recipe, progress: Progress) -> None:
        if recipe.name == "freeze":
            raise Stopped

    with pytest.raises(Stopped):
        run(STUDY, tmp_path, on_progress=stop)
    before = fleets(tmp_path)
    assert len(before) == 1
    run(STUDY, tmp_path)
    assert rows(tmp_path) == rows(done)
    assert before.items() <= fleets(tmp_path).items()


def test_a_stopped_run_says_what_it_was_about(done: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(STUDY, tmp_path, stop=lambda: True)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    results = json.loads((done / "results.json").read_text())
    homes = manifest.pop("fleets")
    assert all((done / home / "fleet.json").is_file() for home in homes)
    assert manifest == {name: results[name] for name in manifest} and "seed" in manifest
    # The first fleet was begun, and has a state to go on from.
    first = tmp_path / homes[0]
    np.testing.assert_array_equal(
        np.load(first / "membership.npy"), np.load(done / "signals" / "membership.npy")
    )
    assert json.loads((first / "fleet.json").read_text())["seed"] == STUDY.seed
    assert Checkpoint(first / "checkpoint-0").latest() == 1
    (first / ".fleet.json.1.part").write_text("half")  # as a kill leaves it
    told: list[Progress] = []
    run(STUDY, tmp_path, on_progress=lambda recipe, progress: told.append(progress))
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
    for writes in (2, 6, 7, 9):
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
    run(STUDY, done, on_progress=lambda recipe, progress: told.append(recipe))
    assert fleets(done) == before and not told
    known = rows(done)
    run(STUDY, done, resume=False, on_progress=lambda recipe, progress: told.append(recipe))
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
    run(STUDY, done, on_progress=lambda recipe, progress: told.append(recipe))
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


def test_only_the_damaged_group_is_trained_anew(
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
        again = run(study, tmp_path, on_progress=lambda recipe, progress: told.append(progress))
        assert [progress.training for progress in told] == [2, 2] * groups
        assert again["rows"] == known["rows"] and again["curves"] == known["curves"]
        assert {p: p.read_bytes() for p in home.rglob("*.npy")} == whole


def scarce(monkeypatch: pytest.MonkeyPatch, fits: Callable[[tuple[int, ...], int], bool]) -> None:
    """Lets allocations fail for groups, by their models and their width, that do not fit."""
    real = study_fleets.train_fleet

    def train(*args, groups, width, **options):
        for group in groups:
            if not fits(group, width):
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9.")
        return real(*args, groups=groups, width=width, **options)

    monkeypatch.setattr(study_fleets, "train_fleet", train)


def test_groups_are_halved_where_memory_fails(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_plan, "fitting_chunk", lambda *_: 3)
    study, told = replace(STUDY, recipes=STUDY.recipes[:1]), []
    with monkeypatch.context() as patched:
        scarce(patched, lambda group, width: 0 in group or width < 3)
        run(study, tmp_path, tell=told.append)
    sentence = "the memory does not suffice; going on with 2 at a time"
    assert told == [f"undefended_2: {sentence}"]
    [home] = (tmp_path / "fleets").iterdir()
    plan = json.loads((home / "fleet.json").read_text())
    assert plan["groups"] == [[0, 1, 2], [3, 4], [5]] and plan["widths"] == [3, 2, 2]
    assert plan["predicted_bytes"] > 3 * 4 * 4 * (64 * 8 + 8 + 8 * 10 + 10)
    first = "signals/undefended_2.npy"
    found = np.load(tmp_path / first)
    np.testing.assert_allclose(found, np.load(done / first), rtol=1e-4, atol=1e-4)
    # What is trained anew, the group of before among them, is the same program as it was.
    (home / "after-2" / "confidence.npy").unlink()
    widths: list[tuple[tuple[int, ...], int]] = []
    scarce(monkeypatch, lambda group, width: widths.append((group, width)) is None)
    run(study, tmp_path, tell=told.append)
    assert widths == [((0, 1, 2), 3), ((3, 4), 2), ((5,), 2)] and len(told) == 1
    np.testing.assert_array_equal(np.load(tmp_path / first), found)


def test_a_model_that_does_not_fit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scarce(monkeypatch, lambda group, width: False)
    told: list[str] = []
    with pytest.raises(ValueError, match="too small even for one model a device at a time; take"):
        run(replace(STUDY, recipes=STUDY.recipes[:1]), tmp_path, tell=told.append)
    assert [sentence.split()[-4:-3] for sentence in told] == [["3"], ["2"], ["1"]]


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
        again = run(study, tmp_path, on_progress=lambda _, now, told=told: told.append(now))
        assert len(told) == 2 and again["rows"] == known["rows"]
        assert (home / "fleet.json").read_text() == record


def test_the_four_quarter_split(tmp_path: Path) -> None:
    study = replace(
        STUDY, split=Quarters(targets=2, shadows=3), recipes=STUDY.recipes[:1], resamples=20
    )
    run(study, tmp_path)
    [row] = rows(tmp_path)
    assert row["attacks"]["rmia_offline"]["auc"]["value"] is not None
    assert row["attacks"]["lira_online"]["auc"]["value"] is None
    assert any("lira_online: this attack needs at least 2 IN shadows" in n for n in row["notes"])
    with np.load(tmp_path / "scores" / "undefended_2.npz") as scores:
        assert scores["loss"].shape == (2, 150)
        assert (scores["membership"].sum(axis=1) == 75).all()


@dataclass(frozen=True)
class Poisoned:
    """Digits with one input so large that whoever trains on it diverges."""

    def load(self, select):
        data = Digits().load(select)
        x = data.x.astype(np.float32)
        x[0] = 3e38
        return replace(data, x=x)


def test_divergence_is_told_and_left_out(tmp_path: Path) -> None:
    study = replace(STUDY, data=Poisoned())
    linear = Model(
        init=lambda key, x: Variables({"w": jnp.zeros((64, 10))}, {}),
        apply=lambda params, state, x, *, train, key: (x.reshape(-1, 64) @ params["w"], state),
    )
    run(replace(study, model=linear, recipes=(undefended(2),)), tmp_path)
    [row] = rows(tmp_path)
    members = np.flatnonzero(np.load(tmp_path / "signals" / "membership.npy")[:, 0])
    assert row["diverged"] == members.tolist()
    with np.load(tmp_path / "scores" / "undefended_2.npz") as scores:
        assert set(scores["targets"]) == set(range(6)) - set(members)


def test_a_study_file(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text(
        "from pptp_jax.data import Digits\nfrom pptp_jax.models import mlp\n"
        "from pptp_jax.study import Study\nfrom pptp_jax.training import undefended\n"
        "study = Study(name='s', data=Digits(), model=mlp([8], 10), recipes=(undefended(1),))\n"
    )
    assert load_study(path).name == "s"
    for name, text, message in [
        ("none.py", None, "there is no such file"),
        ("s.txt", "", "its name ends in .py"),
        ("empty.py", "", "must define `study`, a pptp_jax.study.Study, got NoneType"),
    ]:
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=message):
            load_study(tmp_path / name)


def test_the_experiments_are_studies() -> None:
    for path in sorted((Path(__file__).parents[2] / "experiments").glob("*.py")):
        if path.stem == "audit_digits":  # tests/audit/test_canaries.py
            continue
        study = load_study(path)
        assert study.name == path.stem
        json.dumps(describe(study), allow_nan=False)


def test_a_narrowed_study(tmp_path: Path) -> None:
    assert [r.name for r in narrowed(STUDY, None, ["freeze"]).recipes] == ["freeze"]
    assert len(narrowed(STUDY, None, ["split_2_head_relaxloss_1", "undefended"]).recipes) == 2
    assert narrowed(replace(STUDY, data=Npz()), tmp_path, []).data == Npz(str(tmp_path))
    with pytest.raises(ValueError, match=r"recipe 'undefnded' .* did you mean 'undefended'"):
        narrowed(STUDY, None, ["undefnded"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipes": ()}, "recipes must be a whole number of at least 1, got 0"),
        ({"recipes": (undefended(1), undefended(1))}, "undefended_1 more than once"),
        ({"attacks": ("lira_onlin",)}, "did you mean 'lira_online'"),
        ({"recipes": (freeze("hed", 1, 1),)}, "region 'hed' .* did you mean 'head'"),
    ],
)
def test_a_bad_study(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(STUDY, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"examples": 5000}, "5000 examples were asked for, but there are only 1797"),
        ({"examples": 301}, "must be a multiple of 2"),
        ({"queries": (IDENTITY, shift(8, 0))}, r"'shift\(8, 0\)' needs images"),
        ({"queries": (FLIP,)}, "query 0 must be 'identity'"),
        ({"examples": 20}, "10 members, too few for one batch of 50"),
        ({"model": mlp([8], num_classes=9)}, r"logits of shape \(50, 10\); it returns \(50, 9\)"),
        (
            {
                "model": Model(
                    init=lambda key, x: Variables(jnp.zeros((3, 10)), {}),
                    apply=lambda p, s, x, *, train, key: (x @ p, s),
                )
            },
            r"does not take a batch of digits, of shape \(50, 8, 8, 1\)",
        ),
    ],
)
def test_a_study_that_does_not_fit_its_data(change, message: str, tmp_path: Path) -> None:
    recipes = STUDY.recipes[:1]
    with pytest.raises(ValueError, match=message):
        run(replace(STUDY, recipes=recipes, **change), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}
