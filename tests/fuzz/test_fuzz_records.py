"""`pptp report` and `pptp compare` of a run whose `results.json` somebody has edited."""

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import Case, cases, check_exit, ending, pptp
from given import given

from pptp_jax.audit import AuditReport, audit_signals
from pptp_jax.storage.files import write_array

VALUES: tuple[Any, ...] = (
    *(None, True, 3, -1.5, 10**400, "", "x", [], [1], [None], {}, {"a": 1}),
    *({"value": 1, "low": None, "high": 2}, float("nan"), "../x"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit's results with what a study has beside them, so that two can be compared."""
    home = tmp_path_factory.mktemp("runs") / "run"
    arrays = given("logits")
    parts = arrays["membership"], arrays["labels"]
    attacks = ("loss", "lira_online")
    options = {"attacks": attacks, "resamples": 3, "report": AuditReport(home)}
    audit_signals({"logits": arrays["logits"]}, *parts, **options)
    (home / "manifest.json").write_text('{"kind": "study"}')
    write_array(home / "signals" / "membership.npy", arrays["membership"])
    right = arrays["logits"].argmax(axis=-1) == arrays["labels"]
    write_array(home / "signals" / "utility" / "given.npy", right)
    shutil.copytree(home, home.with_name("other"))
    return home


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield (*place, key)
        if isinstance(value[key], dict | list):
            yield from _places(value[key], (*place, key))


@cases("records")
def test_records_are_read_or_refused(case: Case, run: Path) -> None:
    path = run / "results.json"
    results = json.loads((run.with_name("other") / "results.json").read_text())
    for _ in range(case.several()):
        _change(case, results)
    path.write_text(json.dumps(results))
    other = [run, run.with_name("other")]
    with ending(case):
        args = case.named(
            {
                "report": ["report", run],
                "compare": ["compare", *other],
                "the other first": ["compare", *other[::-1]],
                "compare as JSON": ["compare", *other, "--json"],
            }
        )
        check_exit(pptp(*args))


def _change(case: Case, results: dict[str, Any]) -> None:
    *home, last = case.one([*_places(results)], "at ")
    part: Any = results
    for key in home:
        part = part[key]
    way = case.rng.integers(4)
    if way == 0:
        part.pop(last)
        case.chosen.append("left out")
    elif way == 1 and isinstance(part, list):
        part.append(copy.deepcopy(part[0]))
        case.chosen.append("one more")
    else:
        part[last] = case.one(VALUES)


def test_the_run_itself_can_be_read(run: Path) -> None:
    shutil.copy(run.with_name("other") / "results.json", run)
    for args in (("report", run), ("compare", run, run.with_name("other"))):
        result = pptp(*args)
        assert result.exit_code == 0, result.output
    assert np.load(run / "signals" / "membership.npy").dtype == bool
