"""`pptp run`."""

import json
import re
from pathlib import Path

import pytest
from invoking import named, pptp


def test_a_run_prints_its_table_and_leaves_its_files(study: Path) -> None:
    out = study.parent / "out"
    result = pptp("run", study, "--out", out, "--devices", 2)
    assert result.exit_code == 0, result.output
    told, *said = result.stderr.splitlines()
    needed = [line for line in said if "predicted" in line]
    assert [line for line in said if line not in needed] == [
        "freeze_1+1_stem: models 0 to 5: the first phase is that of undefended_1, trained once"
    ]
    for line, recipe in zip(needed, ("undefended_1", "freeze_1+1_stem"), strict=True):
        assert re.fullmatch(rf"{re.escape(recipe)}: 6 models at a time, predicted .* data", line)
    found = re.match(r"training by (vmap|scan) on 2 devices, cpu: examples a second by", told)
    assert found is not None, told
    chosen = {"type": "Strategy", "order": found[1], "devices": 2, "data_devices": 1}
    assert json.loads((out / "results.json").read_text())["strategy"] == chosen
    summary = result.stdout.splitlines()
    heading = "tiny: digits, 300 examples in 10 classes; 6 models a recipe, 150 members each"
    assert summary[0] == heading and all(len(line) <= 100 for line in summary[:-1])
    assert [line for line in summary if line.startswith("What leaks")]
    lines = (out / "table.txt").read_text().splitlines()
    assert lines[0].startswith(heading)
    [heading] = [line for line in lines if "test accuracy" in line]
    table = [line for line in lines if line.strip().startswith(("undefended", "freeze "))][:2]
    # Aligned: every figure ends under the end of its title.
    end = heading.index("test accuracy") + len("test accuracy")
    assert all(line[end - 1].isdigit() and line[end : end + 2] == "  " for line in table)
    [pair] = [line for line in lines if line.strip().startswith("freeze stem  ")]
    assert pair.split()[:6] == "freeze stem early stopping LiRA AUC".split()
    # A sentence is there in either case.
    assert any("freeze stem" in line and line.endswith(".") for line in lines)
    for name in ("utility_over_auc.png", "roc.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert summary[-1].startswith(f"Report         {out / 'report.html'} ")
    assert "data:image/png;base64," in (out / "report.html").read_text()
    readme = (out / "README.md").read_text()
    assert f"pptp run {study}" in readme
    assert all(f"- `{name}`: " in readme for name in named(out))
    again = pptp("run", study, "--out", out, "--recipe", "freeze", "--strategy", "unrolled")
    assert again.stderr == ""
    results = json.loads((out / "results.json").read_text())
    assert again.exit_code == 0 and [row["recipe"] for row in results["rows"]] == ["freeze"]
    assert results["command"] == f"pptp run {study} --recipe freeze"
    shown = (out / "report.html").read_text()
    (out / "report.html").unlink()
    anew = pptp("report", out)
    assert anew.exit_code == 0 and anew.stdout == f"{out / 'report.html'}\n"
    assert (out / "report.html").read_text() == shown


@pytest.mark.parametrize("strategy", ["measured", "scan"])
def test_devices_that_cannot_share_a_batch(study: Path, tmp_path: Path, strategy: str) -> None:
    given = ("--out", tmp_path, "--strategy", strategy)
    result = pptp("run", study, *given, "--data-devices", 3)
    assert result.exit_code == 1 and "3 devices cannot share a batch of 50" in result.stderr
    result = pptp("run", study, *given, "--data-devices", 16)
    assert result.exit_code == 1
    assert "at most the 8 of this process, got 1 times 16 data_devices" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--processes", 2), "--coordinator, --processes and --process go together"),
        (("--coordinator", "here:1", "--process", 0), "and --process go together"),
        (
            ("--coordinator", "nowhere", "--processes", 1, "--process", 0),
            "--coordinator is HOST:PORT, with a port from 1 to 65535, got 'nowhere'",
        ),
        (("--distributed", "--process", 0), "--distributed finds the processes in the environment"),
        (
            ("--coordinator", "here:1", "--processes", 2, "--process", 2),
            "it is at most 1 of 2 processes, got 2",
        ),
    ],
)
def test_all_options_of_processes_are_needed(
    study: Path, options: tuple[object, ...], said: str
) -> None:
    result = pptp("run", study, *options)
    assert result.exit_code == 2 and said in " ".join(result.stderr.split())


def test_a_run_shows_what_was_set(study: Path, tmp_path: Path) -> None:
    changes = ["models=4", "model.dropout=0.1", "recipes.undefended.epochs=2"]
    options = [part for change in changes for part in ("--set", change)]
    result = pptp("run", study, "--out", tmp_path, "--recipe", "undefended", *options)
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["command"] == f"pptp run {study} --recipe undefended " + " ".join(options)
    assert results["config"]["split"]["models"] == results["models"] == 4
    assert results["config"]["model"]["dropout"] == 0.1
    [row] = results["rows"]
    assert row["slug"] == "undefended_2" and len(row["train_loss"]) == 2
    [first] = (tmp_path / "fleets").iterdir()
    pptp("run", study, "--out", tmp_path, "--recipe", "undefended", *options[:2], *options[4:])
    assert len([*(tmp_path / "fleets").iterdir()]) == 2 and first.exists()


def test_another_study_of_the_same_name_is_refused(study: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    text = study.read_text().replace(' freeze("stem", after=1, more=1)', "")
    first.write_text(text)
    second.write_text(text + "# another study\n")
    options = ("--out", tmp_path / "out", "--strategy", "scan", "--set", "models=4")
    assert pptp("run", first, *options).exit_code == 0
    before = (tmp_path / "out" / "report.html").read_bytes()
    for command in (("run", second, *options), ("locate", second, *options[:2])):
        result = pptp(*command)
        assert result.exit_code == 1 and "out holds a run of another study 'tiny'" in result.stderr
    assert (tmp_path / "out" / "report.html").read_bytes() == before
    first.write_text(text.replace("resamples=20", "resamples=10"))  # daily work
    result = pptp("run", first, *options, "--set", "seed=1")
    assert result.exit_code == 0, result.output


def test_a_dry_run_says_what_would_be_trained_and_writes_nothing(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = pptp("run", study, "--dry-run", "--set", "models=4")
    assert result.exit_code == 0, result.output
    assert "tiny: digits, 300 examples in 10 classes, 150 members a model; 8 models in all" in (
        result.stdout
    )
    # In the 100 columns of what is no terminal.
    assert max(map(len, result.stdout.split("Precision")[0].splitlines()[1:])) <= 100
    freeze = result.stdout.partition("freeze_1+1_stem")[2].splitlines()[1]
    assert freeze.strip() == "1 of task loss; then 1 of task loss, protect frozen"
    # How long depends on what else the machine does.
    predicted = r"Predicted, not measured: training takes (under 1|\d+) s, and the largest "
    assert re.search(predicted, result.stdout)
    assert not [*tmp_path.iterdir()]
    unrolled = pptp("run", study, "--dry-run", "--strategy", "unrolled")
    assert "the time of the order unrolled is not predicted" in unrolled.stdout


def test_a_study_imports_what_lies_beside_it(study: Path, tmp_path: Path) -> None:
    """Also later, from a function that the command calls."""
    (tmp_path / "sizes_beside.py").write_text("HIDDEN = 8\nEXAMPLES = 300")
    path = tmp_path / "study.py"
    later = """
from dataclasses import dataclass
@dataclass(frozen=True)
class Few:
    def load(self, select):
        from sizes_beside import EXAMPLES
        return Digits().load(lambda n: select(n)[:EXAMPLES])
study = replace(study, data=Few())
"""
    text = "from dataclasses import replace\nfrom sizes_beside import HIDDEN\n" + study.read_text()
    path.write_text(text.replace("mlp([8]", "mlp([HIDDEN]") + later)
    result = pptp("run", path, "--dry-run", "--strategy", "scan")
    assert result.exit_code == 0, result.output
    assert "tiny: digits, 300 examples" in result.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("modles=4", "--set modles: there is no such key; did you mean 'split.models'?"),
        ("models=x", "--set models: must be an integer, got 'x'"),
        ("models", "--set models: write it as key=value"),
    ],
)
def test_wrong_settings_are_refused(study: Path, change: str, said: str) -> None:
    for option in ((), ("--dry-run",)):
        result = pptp("run", study, "--set", change, *option)
        assert result.exit_code == 1 and said in result.stderr
