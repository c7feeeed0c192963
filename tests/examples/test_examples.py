"""The examples run as they stand, and show what they say."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def as_users_run_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def shown(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    return capsys.readouterr().out


def aucs(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"(?:'value':|AUC) ([\d.]+)", text)]


@pytest.mark.parametrize("name, attacks", [("with_nnx", 4), ("with_equinox", 1), ("own_loop", 2)])
def test_a_fleet_of_another_library_leaks(
    name: str, attacks: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = aucs(shown(name, capsys))
    assert len(found) == attacks and all(0.48 < auc < 1 for auc in found) and max(found) > 0.52


def test_transforms_freeze_the_region_in_the_second_phase(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = shown("transforms_alone", capsys).splitlines()[-2:]
    assert "'stem': {'w': 0.0}" in second and "'stem': {'w': 0.0}" not in first
    losses = [float(re.search(r"loss ([\d.]+)", line)[1]) for line in (first, second)]
    assert losses[1] < losses[0]


def test_logits_of_another_library_are_attacked() -> None:
    """PyTorch is not needed: networks that remember half of their members stand in for it."""
    example = runpy.run_path(str(EXAMPLES / "logits_from_pytorch.py"))

    def remembering(x: np.ndarray, y: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
        assert x.dtype == np.float32 and len(x) == len(y) == 400
        logits = np.random.default_rng(seed).normal(size=(400, 10)).astype(np.float32)
        logits[rows, y[rows]] += 3
        return logits

    assert example["audit"](remembering).low > 0.7
    forgetful = example["audit"](lambda x, y, rows, seed: remembering(x, y, rows[:0], seed))
    assert forgetful.low < 0.5 < forgetful.high


def test_the_page_on_audits_shows_the_loop_of_the_example() -> None:
    code = (EXAMPLES / "logits_from_pytorch.py").read_text()
    loop = code[code.index("def train_in_pytorch") : code.index("\n\n\ndef audit")]
    page = EXAMPLES.parent / "docs" / "audits.md"
    assert f"```python\n{loop}\n```" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_one_gets(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 40 and re.fullmatch(r'"""[A-Z].*\."""', lines[0])
