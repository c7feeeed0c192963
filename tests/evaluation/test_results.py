"""Results as types: the same there and back, and what an older version wrote."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.evaluation.results import RunResults
from pptp_jax.evaluation.run_files import read_results
from pptp_jax.evaluation.schema import plain, typed
from pptp_jax.metrics import Coarse, Estimate
from pptp_jax.report import render_comparison, render_table, write_report

# A run of four small networks on the digits, as it was written before results had a schema; cut
# to a few metrics and slices.
OLD = Path(__file__).parent / "results_schema_1.json"
ESTIMATES = st.one_of(
    st.builds(Estimate, *[st.none() | st.floats(0, 1)] * 3),
    st.builds(Coarse, *[st.floats(0, 1)] * 3),
)
RECORDS = st.recursive(
    ESTIMATES | st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["auc", "loss", "mean"]), inner)
    ),
)


@given(RECORDS)
def test_typed_data_come_back_from_json(record: Any) -> None:
    found = typed(json.loads(json.dumps(plain(record))))
    assert found == record and typed(found) == found
    assert repr(found) == repr(record)  # which tells a coarse estimate from another


def test_what_was_written_before_there_was_a_schema_is_read() -> None:
    record = json.loads(OLD.read_text())
    results = RunResults.from_json(record)
    assert results.measure == ("accuracy", True) and results.schema == 2
    for row, before in zip(results.rows, record["rows"], strict=True):
        assert row.utility._asdict() == before["test_accuracy"]
        assert row.train_utility._asdict() == before["train_accuracy"]
        assert row.attack("loss")["tpr@0.01"]._asdict() == before["attacks"]["loss"]["tpr@0.01"]
        after = row.to_json(results.measure)
        assert {key: after[key] for key in before} == before
    for curve, before in zip(results.curves, record["curves"], strict=True):
        for point, old in zip(curve["points"], before["points"], strict=True):
            assert point["utility"]._asdict() == old["accuracy"]
            assert point["auc"]._asdict() == old["auc"]
    assert RunResults.from_json(results.to_json()) == results


def test_an_old_run_gets_a_report(tmp_path: Path) -> None:
    shutil.copy(OLD, tmp_path / "results.json")
    results = read_results(tmp_path)
    assert results is not None
    assert "test accuracy" in render_table(results)
    assert "points more in a" in render_comparison(results.comparisons)
    assert "test accuracy" in write_report(tmp_path).read_text()
    assert json.loads((tmp_path / "report.json").read_text())["results"]["schema"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 3}, "its schema is 3, and this version of pptp_jax reads 1 and 2"),
        ({"rows": {}}, "it holds no rows"),
        ({"rows": [{"slug": "a"}]}, "rows.0. lacks attacks"),
        ({"rows": [{"slug": "a", "attacks": {"loss": {}}}]}, "an attack lacks auc"),
        (
            {"rows": [{"slug": "a", "attacks": {}, "test_accuracy": {"value": 0.5}}]},
            "rows.0..test_accuracy lacks low",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    record = json.loads(OLD.read_text()) | change
    (tmp_path / "results.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=f"results.json is damaged .{message}"):
        read_results(tmp_path)
