"""Every value of a record is of its kind, or named."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pptp_jax.evaluation.form import check_form
from pptp_jax.evaluation.results_form import RESULTS
from pptp_jax.validation import Refused

ESTIMATE = {"value": 0.5, "low": None, "high": 1}
SQUARE = [[1.0, None], [None, 1.0]]
ROW = {
    "slug": "a",
    "strength": None,
    "notes": ["x"],
    "test_accuracy": ESTIMATE,
    "attacks": {"loss": {"auc": ESTIMATE | {"coarse": True}}},
    "roc": {"fpr": [0.1], "tpr": [0.2], "low": [0.1], "high": [0.3]},
    "per_class": [{"slice": 0, "members": 3, "nonmembers": 2, "metrics": {"auc": ESTIMATE}}],
    "agreement": {"fpr": 0.01, "attacks": ["loss", "lira"], "found": [1, 2]}
    | dict.fromkeys(("jaccard", "low", "high", "chance", "overlap"), SQUARE),
    "combined": {
        "attacks": ["loss"],
        "base_rate": 0.5,
        "metrics": {"auc": ESTIMATE},
        "gains": {"loss": {"auc": ESTIMATE}},
        "brier": {"score": ESTIMATE, "miscalibration": 0.0, "discrimination": 0.0}
        | {"uncertainty": 0.25},
        "reliability": [
            {"low": 0.0, "high": 0.1, "probability": 0.05, "members": ESTIMATE, "pairs": 9}
        ],
        "weights": {"loss": 1.0},
        "shares": {"loss": 1.0},
    },
}
RECORD = {
    "study": "mine",
    "members": None,
    "rows": [ROW],
    "curves": [{"name": "a", "points": [{"label": "a 1", "auc": ESTIMATE}]}],
    "made by a later version": {"anything": [1]},
}


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    keys = range(len(value)) if isinstance(value, list) else value
    for key in keys if isinstance(value, dict | list) else ():
        yield from places(value[key], (*place, key))


KNOWN = {key: part for key, part in RECORD.items() if key in ("study", "rows", "curves")}


def test_a_record_may_hold_what_nobody_knows() -> None:
    check_form(RECORD, RESULTS)


@pytest.mark.parametrize("place", [p for p in places(KNOWN) if p[-1] != "coarse"], ids=str)
def test_a_value_of_another_kind_is_named(place: tuple[Any, ...]) -> None:
    for wrong in (object(), True, {"x": 1j}):
        changed = copy.deepcopy(RECORD)
        part: Any = changed
        for key in place[:-1]:
            part = part[key]
        part[place[-1]] = wrong
        with pytest.raises(Refused, match=r"must be|lacks"):
            check_form(changed, RESULTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"roc": ROW["roc"] | {"low": []}}, r"lists of rows\[0\].roc are of different lengths"),
        (
            {"agreement": ROW["agreement"] | {"low": [[1.0]]}},
            r"lists of rows\[0\].agreement are of different lengths",
        ),
        ({"test_accuracy": {"value": 1, "low": 1}}, r"rows\[0\].test_accuracy lacks high"),
        ({"strength": "x"}, r"rows\[0\].strength must be a number, got 'x'"),
        ({"notes": "x"}, r"rows\[0\].notes must be a list, got 'x'"),
        ({"attacks": []}, r"rows\[0\].attacks must be a record, got \[\]"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        check_form(RECORD | {"rows": [ROW | change]}, RESULTS)


def test_each_kind_takes_its_own_and_no_other() -> None:
    rng = np.random.default_rng(0)
    values = {"a number": 0.5, "an integer": 3, "a text": "x"}
    for kind, value in values.items():
        check_form(value, kind)
        for other in rng.permutation([k for k in values if k != kind]):
            if (kind, other) == ("a number", "an integer"):
                check_form(values[other], kind)
            else:
                with pytest.raises(Refused, match=f"it must be {kind}, got"):
                    check_form(values[other], kind)
