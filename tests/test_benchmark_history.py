"""Benchmarks keep what they measured, and their history shows it."""

import json
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import history
    import rows

    yield rows, history
    for name in ("rows", "history"):
        del sys.modules[name]


def row(name: str, value: float, unit: str = "x") -> dict:
    return {
        "name": name, "value": value, "low": value - 0.1, "high": value + 0.1, "unit": unit,
        "baseline": "-",
    }  # fmt: skip


def record(day: str, *rows: dict, **rest: object) -> str:
    machine = {"device": "cpu", "processor": "Quick", "cores": 2, "versions": {"python": "3.11"}}
    known = {"benchmark": "fleet", "date": day, "machine": machine, "rows": rows} | rest
    return json.dumps(known)


def test_a_table_is_stored_with_its_date_and_machine(modules, tmp_path, monkeypatch) -> None:
    rows, history = modules
    monkeypatch.setattr(sys, "argv", ["some/fleet.py", "--quick", "--json", "a.json"])
    path = tmp_path / "new" / "a.json"
    with rows.Table(path, "numpy") as show:
        show("ours", [1.0, 2.0, 4.0], "x", "theirs")
    found = json.loads(path.read_text())
    assert (found["benchmark"], found["arguments"]) == ("fleet", ["--quick"])
    assert found["date"] == date.today().isoformat()
    assert set(found["machine"]) == {"device", "processor", "cores", "load", "versions"}
    assert list(found["machine"]["versions"]) == ["numpy", "python"]
    assert found["rows"] == [
        {"name": "ours", "value": 2.0, "low": 1.5, "high": 3.0, "unit": "x", "baseline": "theirs"}
    ]
    run = history.read(path)
    assert run.series.startswith("fleet --quick on ") and run.day == date.today()
    assert run.rows == tuple(show.rows)


def test_what_is_kept_overwrites_nothing(modules, tmp_path, monkeypatch) -> None:
    rows, history = modules
    monkeypatch.setattr(rows, "RESULTS", tmp_path)
    monkeypatch.setattr(rows.kept, "__defaults__", (tmp_path,))
    for value in (1.0, 2.0):
        with rows.Table(tmp_path, "jax", benchmark="split") as show:
            show("ours", value)
    with pytest.raises(KeyError), rows.Table(tmp_path, benchmark="split"):
        raise KeyError
    assert len(list(tmp_path.glob(f"{date.today()}-split-*-cores*.json"))) == 2
    [[series]] = [list(own.values()) for own in history.history(history.stored(tmp_path)).values()]
    assert {when: found.value for when, found in series.items()} == {
        f"{date.today()}": 1.0,
        f"{date.today()} #2": 2.0,
    }


def test_the_command_line_says_where_rows_are_stored(modules, capsys) -> None:
    rows, _ = modules
    parser = rows.command("What?")
    for line, path in (
        ([], None),
        (["--keep"], rows.RESULTS),
        (["--json"], rows.RESULTS),
        (["--json", "a.json"], Path("a.json")),
    ):
        assert parser.parse_args(line).json == path
    with pytest.raises(SystemExit):
        parser.parse_args(["--keep", "--json", "a.json"])
    assert "not allowed with" in capsys.readouterr().err
    given = ["--quick", "--json", "a", "--models", "4", "--json=b", "--keep", "--json"]
    assert rows.arguments(given) == ["--quick", "--models", "4"]


def test_the_history_is_a_table_and_a_picture(modules, tmp_path, capsys) -> None:
    _, history = modules
    (tmp_path / "b.json").write_text(record("2026-11-23", row("mlp", 1.5), row("s", 9, "s")))
    (tmp_path / "a.json").write_text(record("2026-11-27", row("mlp", 2.0), row("cnn", 0.5)))
    quick = record("2026-11-27", row("mlp", 7.0), arguments=["--quick"], machine={"device": "H100"})
    (tmp_path / "c.json").write_text(quick)
    picture = tmp_path / "history.png"
    history.main(["--results", str(tmp_path), "--plot", str(picture)])
    assert capsys.readouterr().out.splitlines() == [
        "fleet on Quick, 2 cores",
        "",
        "| ratio | 2026-11-23 | 2026-11-27 |",
        "| --- | --- | --- |",
        "| mlp | 1.5 [1.4, 1.6] | 2 [1.9, 2.1] |",
        "| cnn | - | 0.5 [0.4, 0.6] |",
        "",
        "fleet --quick on H100, unknown cores",
        "",
        "| ratio | 2026-11-27 |",
        "| --- | --- |",
        "| mlp | 7 [6.9, 7.1] |",
        "",
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")
    history.main(["--results", str(tmp_path), "--row", "cn"])
    assert "mlp" not in capsys.readouterr().out
    for line, message in (
        (["--row", "vit"], "no stored ratio has 'vit' in its name"),
        (["--benchmark", "flet"], "--benchmark flet: stored are fleet"),
    ):
        with pytest.raises(SystemExit):
            history.main(["--results", str(tmp_path), *line])
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no stored runs: run a benchmark with --keep"),
        ("[", "it is no JSON"),
        ("[]", "it holds a list and no object"),
        ("{}", "benchmark is 'missing' and no str"),
        (record("soon", row("a", 1)), "its date is 'soon' and not as 2026-11-27"),
        (record("2026-11-27", arguments=3), "arguments is 3 and no list"),
        (record("2026-11-27", row("a", 1) | {"low": 2}), "1 is not between the quartiles 2 and"),
        (record("2026-11-27", machine="mine"), "machine is 'mine' and no dict"),
        (record("2026-11-27", {"name": "a"}), "a row has name, value, low, .*, and one is"),
        (record("2026-11-27", row("a", 1) | {"low": "1"}), "the low of a row is '1'"),
    ],
)
def test_other_files_are_refused(modules, tmp_path, content, message) -> None:
    _, history = modules
    if content is not None:
        (tmp_path / "a.json").write_text(content)
    with pytest.raises(SystemExit, match=message):
        history.stored(tmp_path)


@pytest.mark.parametrize("name", ["nowhere/a.png", "a.xyz"])
def test_a_picture_that_cannot_be_drawn_gets_a_sentence(modules, tmp_path, capsys, name) -> None:
    _, history = modules
    (tmp_path / "a.json").write_text(record("2026-11-27", row("a", 1)))
    with pytest.raises(SystemExit):
        history.main(["--results", str(tmp_path), "--plot", str(tmp_path / name)])
    assert f"--plot {tmp_path / name}: " in capsys.readouterr().err


def test_a_folder_is_no_stored_run(modules, tmp_path) -> None:
    _, history = modules
    (tmp_path / "a.json").mkdir()
    with pytest.raises(SystemExit, match="no stored run of a benchmark: Is a directory"):
        history.stored(tmp_path)


def test_what_is_stored_here_can_be_read(modules, capsys) -> None:
    _, history = modules
    history.main([])
    assert "| ratio |" in capsys.readouterr().out
