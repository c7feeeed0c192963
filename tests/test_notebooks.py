"""The notebooks run, cell after cell, and their stored outputs are those of their code."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import jax
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def test_there_are_two() -> None:
    assert len(NOTEBOOKS) == 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] != "code":
                continue
            printed = io.StringIO()
            with redirect_stdout(printed):
                exec(compile("".join(cell["source"]), str(path), "exec"), names)
            stored = "".join(
                "".join(out["text"]) for out in cell["outputs"] if out["output_type"] == "stream"
            )
            # Figures may differ by the machine; the words may not.
            assert words(printed.getvalue()) == words(stored)
    assert not list(tmp_path.iterdir())


def words(text: str) -> list[str]:
    return [word for word in text.split() if word.isalpha()]
