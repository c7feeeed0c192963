"""`pptp canaries`."""

import json
from pathlib import Path

from invoking import AUDIT, named, pptp


def test_canaries_print_their_table_and_leave_their_files(tmp_path: Path) -> None:
    path, out = tmp_path / "tiny.py", tmp_path / "out"
    path.write_text(AUDIT)
    result = pptp("canaries", path, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("tiny: digits, 40 canaries with wrong labels among 120 places")
    assert (out / "audit.txt").read_text().strip() in result.stdout
    assert json.loads((out / "audit.json").read_text())["runs"] == 8
    assert (out / "scores" / "undefended_1.npz").is_file()
    page = (out / "report.html").read_text()
    planted = "40 of 120 examples have wrong labels"
    assert "Bounds on ε from canaries" in page and planted in page
    assert f"pptp canaries {path}" in page
    readme = (out / "README.md").read_text()
    assert f"pptp canaries {path}" in readme and planted in readme
    assert all(f"- `{name}`: " in readme for name in named(out))


def test_what_is_finished_is_used_again_and_what_is_damaged_is_not(tmp_path: Path) -> None:
    path, out = tmp_path / "tiny.py", tmp_path / "out"
    path.write_text(AUDIT)

    def rows(*options: str) -> list[object]:
        result = pptp("canaries", path, "--out", out, *options)
        assert result.exit_code == 0, result.output
        return list(json.loads((out / "audit.json").read_text())["rows"])

    first = rows()
    [answers] = out.glob("fleets/*/after-*/confidence.npy")
    written = answers.stat().st_mtime_ns
    assert rows() == first and answers.stat().st_mtime_ns == written
    answers.write_bytes(answers.read_bytes()[:100])
    assert rows() == first and answers.stat().st_mtime_ns > written
    written = answers.stat().st_mtime_ns
    assert rows("--no-resume") == first and answers.stat().st_mtime_ns > written
    # Other canaries are another audit.
    path.write_text(AUDIT.replace("canaries=40", "canaries=41"))
    assert rows() != first and len([*out.glob("fleets/*/after-*/confidence.npy")]) == 2
