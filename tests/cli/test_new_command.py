"""`pptp new`, and the embedded study that it writes."""

from pathlib import Path

import pytest
from invoking import pptp

from pptp_jax.study import load_study


def test_a_new_study_is_the_embedded_one_under_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert pptp("new", "mine").exit_code == 0
    own, embedded = load_study(Path("mine.py")), load_study(Path("quickstart"))
    assert own.name == "mine" and embedded.name == "quickstart"
    assert [r.slug for r in own.recipes] == [r.slug for r in embedded.recipes]
    assert "pptp run mine.py" in Path("mine.py").read_text()
    shown = pptp("run", "mine.py", "--dry-run")
    assert shown.exit_code == 0 and "64 models in all" in shown.stdout


def test_a_file_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("own work")
    result = pptp("new", "mine.py")
    assert result.exit_code == 1 and "mine.py is there already" in result.output
    assert Path("mine.py").read_text() == "own work"


@pytest.mark.parametrize("name", ["7up", "a-b", "../x", ""])
def test_a_name_is_an_identifier(name: str) -> None:
    result = pptp("new", name)
    assert result.exit_code == 1 and "letters, digits and underscores" in result.output


def test_without_a_study_the_embedded_one_is_offered() -> None:
    for command in ("run", "locate"):
        result = pptp(command)
        assert result.exit_code == 2
        assert f"pptp {command} quickstart" in result.output and "pptp new mine" in result.output


def test_a_file_called_quickstart_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quickstart").write_text("")
    assert "its name ends in .py" in pptp("run", "quickstart").output
