"""`audit_signals` of whatever Python objects a user may hand over."""

from functools import cache
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from fuzzing import Case, cases, check_results, contents, ending
from given import CHEAP, MODELS, given
from odd_arrays import NOT_FINITE, ODD, SAME_IN_PYTHON, WRONG_IN_PYTHON, changed

from pptp_jax.audit import AuditReport, audit_signals

ATTACKS = ("loss", "attack_p")

# Other values of the arguments, with whether they must be refused, may be, or must not be.
ARGUMENTS: dict[str, dict[str, list[Any]]] = {
    "attacks": {
        "wrong": [(), [], "loss", None, ("lyra",), ("loss", 3), 7, {}, (None,), ("",), ([],)],
        "odd": [["loss"], ("loss", "loss"), {"loss": 1}],
    },
    "resamples": {
        "wrong": [0, -1, 1.5, "9", None, float("nan"), [3]],
        "odd": [True, np.int64(3), 2.0],
    },
    "seed": {"wrong": [-1, "x", 1.5, float("nan"), [1], None], "odd": [True, np.int32(3), 2**70]},
    "name": {
        "wrong": [None, 3, b"x"],
        "odd": ["", "[red]x[/red]", "[/]", "<b>&", "é\n", "a" * 300],
    },
    "targets": {
        "wrong": [
            [],
            [MODELS],
            [-1],
            ["0"],
            [0.5],
            [None],
            "0",
            0,
            [[0]],
            [float("nan")],
            [True, False],
        ],
        "odd": [
            [0, 0],
            (1,),
            range(2),
            np.array([1, 2]),
            np.array([0], np.uint8),
            jnp.arange(2),
            {1, 2},
        ],
    },
    "shadows": {
        "wrong": [[MODELS], [-1], ["0"], [0.5], [None], "12", 0, [[0]]],
        "odd": [[], [0, 0, 1], (1,), range(6), np.arange(3), jnp.arange(3)],
    },
    "command": {"wrong": [], "odd": [None, "", "pptp 'audit'\n--x"]},
    "inputs": {
        "wrong": [np.ones(16), np.ones((15, 2)), "x", np.full((16, 2), np.nan), [[1], [1, 2]], 3],
        "odd": [np.ones((16, 2)), np.ones((16, 2, 2), bool), [[1.0, 2.0]] * 16, jnp.ones((16, 1))],
    },
    "signals": {
        "wrong": [
            None,
            {},
            [],
            "logits",
            np.ones((6, 16)),
            {"logit": 1},
            {3: np.ones((6, 16))},
            {None: 1},
            {"losses": None},
            {"losses": np.ones((6, 16)), "confidence": np.ones((6, 16))},
        ],
        "odd": [],
    },
}


@cache
def _plain(kind: str) -> dict[str, Any]:
    """What the arrays as they are come to."""
    [row] = _audited(kind, given(kind), {})["rows"]
    return row


def _audited(kind: str, arrays: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    options = {"attacks": ATTACKS, "resamples": 3, "signals": {kind: arrays[kind]}} | options
    own = {key: options.pop(key) for key in ("out", "name", "command") if key in options}
    options["report"] = AuditReport(**own)
    return audit_signals(membership=arrays["membership"], labels=arrays.get("labels"), **options)


@cases("audit_arrays")
def test_arrays_are_audited_rightly_or_refused(case: Case, tmp_path: Path) -> None:
    kind = case.one(("logits", "confidence", "losses"))
    arrays: dict[str, Any] = dict(given(kind))
    verdicts, options = [], {"attacks": ATTACKS}
    if case.chance(0.3):
        options["attacks"] = tuple(dict.fromkeys([case.one(CHEAP), case.one(CHEAP), "loss"]))
    for _ in range(case.several()):
        verdicts.append(_changed(case, kind, arrays, options))
    if case.chance(0.2):
        options["out"] = tmp_path / "out"
        case.chosen.append("written out")
    with ending(case) as refusals:
        results = _audited(kind, arrays, options)
        check_results(results)
        assert verdicts != ["wrong"], "this must be refused"
        if verdicts == ["same"] and options["attacks"] == ATTACKS:
            assert results["rows"] == [_plain(kind)]
        if "out" in options:
            assert {"results.json", "report.html", "README.md"} <= set(contents(tmp_path / "out"))
    if refusals:
        assert "same" not in verdicts or len(verdicts) > 1, f"{case.chosen}: {refusals}"
        assert not (tmp_path / "out").exists()


def _changed(case: Case, kind: str, arrays: dict[str, Any], options: dict[str, Any]) -> str:
    """Changes one array or argument, and says how the audit may end of that alone."""
    if case.chance(0.35):
        name = case.one(tuple(ARGUMENTS))
        verdict = case.one([verdict for verdict, values in ARGUMENTS[name].items() if values])
        options[name] = case.one(ARGUMENTS[name][verdict], f"{name}=")
        return verdict
    name = case.one((kind, kind, "membership", "labels"))
    if not isinstance(arrays[name], np.ndarray):
        return "odd"
    tables = {"same": SAME_IN_PYTHON, "wrong": WRONG_IN_PYTHON, "odd": ODD}
    if name == kind:
        tables["not finite"] = NOT_FINITE
    verdict = case.one(tuple(tables))
    if case.chance(0.04):
        arrays[name] = None
        case.chosen.append(f"{name} None")
        return "wrong" if name != "labels" or kind == "logits" else "odd"
    arrays[name] = changed(case, tables[verdict], name, arrays[name])
    return "wrong" if verdict == "not finite" else verdict
