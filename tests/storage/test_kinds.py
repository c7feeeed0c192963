"""No run is written over one of another kind, nor over what is no run."""

import json
import re
from pathlib import Path

import pytest

from pptp_jax.storage.kinds import Kind, check_kind, kind_of, place
from pptp_jax.validation import Refused

MARKS = {
    "study": {"manifest.json": '{"study": "mine"}'},
    "signals": {"manifest.json": '{"kind": "signals"}', "README.md": ""},
    "canaries": {"manifest.json": '{"kind": "canaries"}', "fleets": ""},
    "risk map": {"risk_map.json": "{}"},
}
FINISHED = {"signals": {"results.json": "{}"}, "canaries": {"audit.json": "{}"}}
# A study's run has its risk map beside it.
TOGETHER = ("study", "risk map")


def filled(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (directory / name).write_text(text)
    return directory


@pytest.mark.parametrize("own", MARKS)
@pytest.mark.parametrize("there", MARKS)
def test_a_directory_has_one_kind_of_run(tmp_path: Path, own: str, there: str) -> None:
    filled(tmp_path, MARKS[there])
    assert kind_of(tmp_path) == there
    if own == there or {own, there} == set(TOGETHER):
        check_kind(tmp_path, own)
        return
    names = {"study": "run", "signals": "audit", "canaries": "canaries", "risk map": "locate"}
    with pytest.raises(Refused, match=rf"`pptp {names[there]}`\), which .* with --out"):
        check_kind(tmp_path, own)


@pytest.mark.parametrize("kind", FINISHED)
def test_what_lies_there_since_before_manifests_is_known(tmp_path: Path, kind: str) -> None:
    assert kind_of(filled(tmp_path, FINISHED[kind])) == kind


@pytest.mark.parametrize("name", ["README.md", "signals", "scores"])
def test_files_of_other_origin_are_not_written_over(tmp_path: Path, name: str) -> None:
    """`--out .` in a project: its README and a folder `signals` would be gone."""
    filled(tmp_path, {name: "mine", "study.py": ""})
    for kind in ("study", "signals", "canaries"):
        with pytest.raises(Refused, match=rf"holds no run, but {re.escape(name)}, which"):
            check_kind(tmp_path, kind)
    check_kind(tmp_path, "risk map")


def test_a_damaged_manifest_is_that_of_a_study(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"kind": 3}'):
        assert kind_of(filled(tmp_path, {"manifest.json": text})) == "study"
    assert kind_of(tmp_path / "missing") is None
    check_kind(tmp_path / "missing", "study")


@pytest.mark.parametrize("name", ["manifest.json", "risk_map.json"])
@pytest.mark.parametrize("kind", ["study", "risk map"])
def test_a_run_of_another_study_is_refused(tmp_path: Path, name: str, kind: Kind) -> None:
    (tmp_path / name).write_text('{"study": "digits"}')
    check_kind(tmp_path, kind, "digits")
    said = "holds a run of the study 'digits', which the study 'tiny' would write over"
    with pytest.raises(Refused, match=said):
        check_kind(tmp_path, kind, "tiny")


def test_another_audit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"kind": "canaries", "audit": "first"}')
    check_kind(tmp_path, "canaries", "first")
    with pytest.raises(Refused, match="holds a run of the study 'first', which the study 'second'"):
        check_kind(tmp_path, "canaries", "second")


def test_a_risk_map_of_another_file_is_refused(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(name)
    (tmp_path / "risk_map.json").write_text('{"study": "tiny", "file": "a.py"}')
    check_kind(tmp_path, "risk map", "tiny", tmp_path / "a.py")
    with pytest.raises(
        Refused, match=r"another study 'tiny', that of .*a\.py, which the one of .*b"
    ):
        check_kind(tmp_path, "risk map", "tiny", tmp_path / "b.py")


def test_a_run_of_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two studies of one name: a copy of a file, changed, whose name in it was forgotten."""
    mine, other, out = tmp_path / "mine.py", tmp_path / "other.py", tmp_path / "runs" / "tiny"
    mine.write_text("one")
    other.write_text("two")
    out.mkdir(parents=True)
    manifest = out / "manifest.json"

    def check(file: Path | None) -> None:
        check_kind(out, "study", "tiny", file)
        check_kind(out, "risk map", "tiny", file)

    manifest.write_text('{"study": "tiny"}')  # of an older version
    check(other)
    manifest.write_text(json.dumps({"study": "tiny", "file": place(mine, out)}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        Refused, match=r"another study 'tiny', that of mine\.py, which the one of ot"
    ):
        check(Path("other.py"))
    mine.write_text("one, changed")
    check(mine)
    check(Path("runs/../mine.py"))
    check(None)  # called from Python
    monkeypatch.chdir(out)
    check(Path("../../mine.py"))
    other.write_text("one, changed")  # a copy
    check(other)
    mine.rename(tmp_path / "renamed.py")
    check(tmp_path / "renamed.py")
    check(tmp_path.parent / "anything.py")


def test_the_embedded_study_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    embedded, file = Path("quickstart"), Path("mine.py")
    file.write_text("")
    for one, other in ((embedded, file), (file, embedded)):
        record = {"study": "quickstart", "file": place(one, tmp_path)}
        Path("manifest.json").write_text(json.dumps(record))
        check_kind(tmp_path, "study", "quickstart", one)
        with pytest.raises(Refused, match=f"that of {one}, which the one of {other} would write"):
            check_kind(tmp_path, "study", "quickstart", other)
