"""`.npz` files of examples, read by `Npz` and put on the device as a study does it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from fuzzing import Case, cases, ending
from odd_arrays import NOT_FINITE, ODD, SAME, WRONG, changed
from odd_files import BROKEN, DAMAGED, Planted, stored
from small_data import arrays

from pptp_jax.data import Arrays, Npz

PLACES: tuple[Any, ...] = ("", ".", "/", "nowhere.npz", "a\0b", None, "~", "data.npz/x")
OPTIONS: dict[str, tuple[Any, ...]] = {
    "num_classes": (0, 1, 2, 3, -1, 2.0, True, "2", math.nan, 10**12, np.int64(2), (2,)),
    "scale": (
        0,
        -1,
        math.nan,
        math.inf,
        "1",
        1e-50,
        1e39,
        1e300,
        True,
        np.float32(2),
        (1,),
        2,
    ),
}


@cases("data_files")
def test_data_files_are_read_rightly_or_refused(case: Case, tmp_path: Path) -> None:
    given: dict[str, Any] = arrays()
    if case.chance(0.3):
        del given["ids"]
    verdicts, options, trace = [], {}, tmp_path / "run"
    for _ in range(case.several()):
        verdicts.append(_changed(case, given, trace))
    if case.chance(0.2):
        name = case.one(tuple(OPTIONS))
        options[name] = case.one(OPTIONS[name], f"{name}=")
        verdicts.append("odd")
    content = stored(given, compressed=case.chance(0.3))
    if case.chance(0.3):
        verdict = case.one(("wrong", "odd"))
        content = case.named({"wrong": BROKEN, "odd": DAMAGED}[verdict])(case, content)
        verdicts = [verdict]
    path: Any = tmp_path / "data.npz"
    path.write_bytes(content)
    if case.chance(0.08):
        path, verdicts = case.one(PLACES), ["wrong"]
    with ending(case) as refusals:
        data = Npz(path if path is None else str(path), **options).load()
        assert verdicts != ["wrong"], "this must be refused"
        inputs, ids = data.inputs(), data.ids.tolist()
        assert inputs.dtype == np.float32 and np.isfinite(inputs).all() and len(inputs) == len(data)
        assert data.y.min() >= 0 and data.y.max() < data.num_classes
        assert len(set(ids)) == len(ids) and len(data.fingerprint) == 64
        seen = Arrays.of(data).inputs(slice(None))
        np.testing.assert_allclose(np.asarray(seen), inputs, rtol=1e-6)
        if verdicts == ["same"]:
            np.testing.assert_array_equal(inputs, arrays()["x"])
            np.testing.assert_array_equal(data.y, arrays()["y"])
            assert ids == arrays()["ids"].tolist() and data.num_classes == 2
    assert not refusals or verdicts != ["same"], refusals
    assert not trace.exists(), "the file's pickle has run"


def _changed(case: Case, given: dict[str, Any], trace: Path) -> str:
    """Changes one array, and says how reading the file may end of that alone."""
    name = case.one(tuple(given))
    if case.chance(0.08):
        given[name] = np.array([Planted(trace)])
        case.chosen.append(f"{name} pickled")
        return "odd"
    if case.chance(0.1):
        array = given.pop(name)
        given[case.one(("X", "labels", "arr_0", "ids", "z"))] = array
        return "odd"
    tables = {"same": SAME, "wrong": WRONG, "odd": ODD}
    if name == "x":
        tables["not finite"] = NOT_FINITE
    verdict = case.one(tuple(tables))
    array = given[name]
    if name == "ids" and verdict != "same":
        array = np.arange(len(array))
    given[name] = np.asarray(changed(case, tables[verdict], name, array))
    if verdict == "wrong" and (name == "ids" or given[name].dtype.kind in "SU"):
        return "odd"
    return "wrong" if verdict == "not finite" else verdict
