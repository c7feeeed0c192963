"""`pptp audit` of whatever files and options a user may give it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import Case, cases, check_exit, check_results, contents, ending, pptp
from given import BESIDE, CHEAP, given
from odd_arrays import NOT_FINITE, ODD, SAME, WRONG, changed
from odd_files import BROKEN, DAMAGED, Planted, stored

from pptp_jax.audit import audit_signals

OPTIONS: dict[str, tuple[str, ...]] = {
    "an unknown attack": ("--attack", "lyra"),
    "an empty attack": ("--attack", ""),
    "no resamples": ("--resamples", "0"),
    "resamples below zero": ("--resamples", "-3"),
    "resamples in words": ("--resamples", "many"),
    "an unknown option": ("--resample", "3"),
    "an argument too many": ("more",),
    "no such file": ("--membership", "nowhere.npz"),
    "a directory": ("--signals", "."),
    "an empty path": ("--signals", ""),
}
NAMES = (
    "s.npz",
    "s",
    "a b.npz",
    "[red]x.npz",
    "[x][!].npz",
    "é.npz",
    "<b>&.npz",
    "s.tar.gz",
    "-x.npz",
)
FILES = {"README.md", "report.html", "results.json", "table.txt", "roc.png", "scores/given.npz"}


@cache
def _plain(kind: str) -> Any:
    arrays = given(kind)
    found = audit_signals(
        {kind: arrays[kind]}, arrays["membership"], arrays["labels"], attacks=("loss",), resamples=3
    )
    return json.loads(json.dumps(found))["rows"][0]["attacks"]


@cases("audit_files")
def test_files_are_audited_rightly_or_refused(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kind = case.one(("logits", "confidence", "losses"))
    arrays: dict[str, Any] = dict(given(kind))
    verdicts, trace = [], tmp_path / "run"
    for _ in range(case.several()):
        verdicts.append(_changed(case, kind, arrays, trace))
    content = stored(arrays, compressed=case.chance(0.3))
    if case.chance(0.4):
        verdict = case.one(("wrong", "odd"))
        content = case.named({"wrong": BROKEN, "odd": DAMAGED}[verdict])(case, content)
        verdicts = [*verdicts, verdict] if verdicts != ["same"] else [verdict]
    path = tmp_path / case.one(NAMES)
    path.write_bytes(content)
    attacks = ("loss",) if case.chance(0.7) else ("loss", case.one(CHEAP))
    args = [part for attack in attacks for part in ("--attack", attack)]
    out = tmp_path / "out" if case.chance(0.7) else tmp_path / "runs" / path.stem
    args += ["--out", str(out)] * (out == tmp_path / "out")
    if case.chance(0.1):
        args += case.named(OPTIONS)
        verdicts = ["wrong"]
    if before := case.chance(0.5):  # what an earlier audit has left
        out.mkdir(parents=True)
        for name in ("results.json", "report.html"):
            (out / name).write_text("{}")
    old = contents(out)
    with ending(case):
        result = pptp("audit", "--signals", path, "--membership", path, "--resamples", 3, *args)
        passed = check_exit(result)
        assert not trace.exists(), "the file's pickle has run"
        assert not [name for name in contents(tmp_path) if name.endswith(".part")]
        if passed:
            assert verdicts != ["wrong"], "this must be refused"
            assert FILES <= set(contents(out))
            results = json.loads((out / "results.json").read_text())
            check_results(results)
            if verdicts == ["same"] and attacks == ("loss",):
                assert results["rows"][0]["attacks"] == _plain(kind)
        else:
            assert verdicts != ["same"], result.output
            assert contents(out) == old and out.exists() == before


def _changed(case: Case, kind: str, arrays: dict[str, Any], trace: Path) -> str:
    name = case.one((kind, kind, "membership", "labels"))
    if case.chance(0.06):
        arrays[name] = np.array([Planted(trace)])
        case.chosen.append(f"{name} pickled")
        return "wrong"
    if case.chance(0.2):
        beside = case.one(tuple(BESIDE))
        verdict = case.one(("wrong", "odd"))
        arrays[beside] = case.one(BESIDE[beside][verdict], f"{beside}=")
        return verdict
    if case.chance(0.1):
        array = arrays.pop(name, None)
        other = case.one(("logit", "arr_0", "file", "members", "", "logits/x", "targets", "inputs"))
        if array is not None:
            arrays[other] = array
        return "odd"
    if not isinstance(arrays.get(name), np.ndarray):
        return "odd"
    tables = {"same": SAME, "wrong": WRONG, "odd": ODD}
    if name == kind:
        tables["not finite"] = NOT_FINITE
    verdict = case.one(tuple(tables))
    arrays[name] = np.asarray(changed(case, tables[verdict], name, arrays[name]))
    return "wrong" if verdict == "not finite" else verdict
