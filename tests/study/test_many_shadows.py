"""The study of many shadows in miniature: it goes on where it was stopped, and its curve is right.

A tiny fleet and six small attacks with two numbers of shadows: ten seconds on loaded cores, most of
them compilation.
"""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.data import Pairs
from pptp_jax.training import undefended

PARTS = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "many_shadows.py"))
SMALL = ("targets=2", "shadows=12", "examples=128", "model.hidden=8,8", "resamples=20")


def test_the_numbers_of_shadows_end_with_all_there_are() -> None:
    assert PARTS["numbers_of"](256) == [8, 16, 32, 64, 128, 256]
    assert PARTS["numbers_of"](20) == [8, 16, 20]
    assert PARTS["numbers_of"](6) == [6]


@pytest.mark.slow  # an entire study
def test_a_miniature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(PARTS["study"], recipes=(undefended(2),))
    monkeypatch.setitem(PARTS["main"].callback.__globals__, "study", one)
    command = [str(tmp_path), *(part for change in SMALL for part in ("--set", change))]

    def called() -> dict:
        done = CliRunner().invoke(PARTS["main"], ["--out", *command], catch_exceptions=False)
        assert done.exit_code == 0
        assert (tmp_path / "shadows.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "shadows.txt").read_text() in done.output
        return json.loads((tmp_path / "shadows.json").read_text())

    first = called()
    spent = (tmp_path / "seconds.json").read_text()
    assert called() == first
    # Nothing was trained a second time.
    assert (tmp_path / "seconds.json").read_text() == spent
    assert list(first) == ["undefended_2"] and list(first["undefended_2"]) == ["8", "12"]

    drawn = Pairs(targets=2, shadows=12).draw(128, 0)
    phi = np.load(tmp_path / "signals" / "undefended_2.npy")
    for number, own in first["undefended_2"].items():
        rows = [*range(2), *range(2, 2 + int(number))]
        held = Evidence.split(
            {"confidence": phi[rows]}, drawn.matrix[rows], [0, 1], range(2, len(rows))
        )
        for name in ("lira_online", "rmia_offline"):
            auc = roc_auc_score(drawn.matrix[:2].ravel(), ATTACKS[name](held).ravel())
            assert own["attacks"][name]["auc"]["value"] == pytest.approx(auc, abs=1e-9)
            many = first["undefended_2"]["12"]["attacks"][name]["auc"]["value"]
            assert own["missing"][name]["auc"]["value"] == pytest.approx(many - auc, abs=1e-9)
    spent = json.loads(spent)["undefended_2"]
    seconds = first["undefended_2"]["8"]["seconds"]
    assert seconds == {kind: pytest.approx(s * 8 / 14) for kind, s in spent.items()}


def test_the_time_is_kept_over_runs(tmp_path: Path) -> None:
    path, recipe = tmp_path / "seconds.json", PARTS["study"].recipes[0]
    PARTS["Clock"](path)(recipe, None)
    [before] = json.loads(path.read_text()).values()
    clock = PARTS["Clock"](path)
    clock(recipe, None)
    clock(recipe, None)
    [after] = json.loads(path.read_text()).values()
    assert set(after) == {"wall", "processor"}
    assert after["wall"] > before["wall"] > 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["none.npz"], "none.npz: there is no such file"),
        (["--set", "shadows=7"], "pairs need an even number of shadows, got 7"),
        (["--out", __file__], "File exists"),
    ],
)
def test_wrong_arguments_get_a_sentence(given: list[str], said: str) -> None:
    done = CliRunner().invoke(PARTS["main"], given)
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit)
    assert done.output.startswith("Error: ") and said in done.output
