"""How a fuzz goes: numbered cases, each made by its own seed, and what their ends may be."""

import hashlib
import json
import math
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from click.testing import CliRunner, Result
from jaxtyping import TypeCheckError

from pptp_jax.cli import main
from pptp_jax.validation import Refused

T = TypeVar("T")

# How many parts of a hundred each entrance gets of all cases.
SHARES = {
    "audit_files": 20,
    "audit_arrays": 24,
    "records": 8,
    "studies": 20,
    "study_files": 10,
    "overrides": 10,
    "regions": 8,
    "data_files": 8,
}
TOTAL = int(os.environ.get("PPTP_FUZZ", "150"))


def cases(entrance: str) -> pytest.MarkDecorator:
    """Runs a test once for each of the entrance's cases."""
    count = math.ceil(TOTAL * SHARES[entrance] / sum(SHARES.values()))
    return pytest.mark.parametrize("case", [Case(entrance, i) for i in range(count)], ids=str)


class Case:
    """The random choices of one case: the same for the same number, and listed where it fails."""

    def __init__(self, entrance: str, number: int) -> None:
        self.entrance, self.number = entrance, number
        self.rng = np.random.default_rng([zlib.crc32(entrance.encode()), number])
        self.chosen: list[str] = []

    def __str__(self) -> str:
        return f"{self.entrance}-{self.number}"

    def named(self, options: Mapping[str, T], what: str = "") -> T:
        """One of several things, noted by its name."""
        name = list(options)[self.rng.integers(len(options))]
        self.chosen.append(f"{what}{name}")
        return options[name]

    def one(self, options: Sequence[T], what: str = "") -> T:
        """One of several things, noted by how it is written."""
        value = options[self.rng.integers(len(options))]
        self.chosen.append(f"{what}{' '.join(repr(value).split()):.60}")
        return value

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def several(self) -> int:
        """Mostly one thing is wrong at a time, for else the first refusal hides the others."""
        return 1 + self.chance(0.25)


@contextmanager
def ending(case: Case) -> Iterator[list[str]]:
    """Lets a case be refused in a sentence; any other error fails, with the case's choices.

    Yields:
        A list that holds the refusal where there was one.
    """
    refusals: list[str] = []
    try:
        try:
            yield refusals
        except Refused as error:
            refusals.append(str(error))
            check_sentence(str(error))
        except TypeCheckError as error:  # the suite's own check of models and signals comes first
            refusals.append(str(error))
    except BaseException as error:
        error.add_note(f"{case}: {'; '.join(case.chosen)}")
        raise


def check_sentence(message: str) -> None:
    """A refusal is for people: short, no address in memory, on one line.

    Lines may follow that list attacks, or the places in a study's file where it failed.
    """
    assert message.strip(), "the refusal says nothing"
    assert not re.search(
        r"Traceback|(?<!ast.Call object at )0x[0-9a-f]{6}|beartype|jaxtyping", message
    ), message
    first, *rest = message.strip().splitlines()
    places = all(re.fullmatch(r"  at .+, line \d+", line) for line in rest)
    assert places or first.endswith("no attack is possible on these signals:"), message
    assert max(map(len, message.splitlines())) <= 1000, message


def pptp(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def check_exit(result: Result) -> bool:
    """Whether the command succeeded; where not, it ended in a sentence and with the code for it."""
    if result.exit_code == 0:
        return True
    if not isinstance(result.exception, SystemExit):
        assert result.exception is not None
        raise result.exception
    assert result.exit_code in (1, 2), (result.exit_code, result.output)
    said = result.stderr.partition("Error: ")[2]
    if "jaxtyping.TypeCheckError" not in said:  # the suite's own check of models comes first
        check_sentence(said.strip())
    return False


def contents(directory: Path) -> dict[str, str]:
    """Every file of a directory by the digest of its bytes."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def check_results(results: Mapping[str, Any]) -> None:
    """What an audit has found can be: rates between 0 and 1, and intervals that are not empty."""
    json.dumps(results, allow_nan=False)
    [row] = results["rows"]
    assert row["attacks"], "no attack was possible, and nobody said so"
    for metrics in row["attacks"].values():
        for found in metrics.values():
            _check_rate(found)
        assert metrics["auc"]["value"] is not None
    for name in ("train_accuracy", "test_accuracy"):
        _check_rate(row[name])


def _check_rate(found: Mapping[str, Any]) -> None:
    value, low, high = found["value"], found["low"], found["high"]
    for rate in (value, low, high):
        assert rate is None or 0 <= rate <= 1, found
    assert low is None or high is None or low <= high, found
