"""The versions of `results.json`, and estimates as plain data."""

from collections.abc import Mapping
from typing import Any

from pptp_jax.metrics import Coarse, Estimate
from pptp_jax.validation import Refused

ENDS = ("value", "low", "high")


class Damaged(Refused):
    """A stored record is damaged: a run writes no such record."""


def read_estimate(record: Any) -> Estimate:
    """An estimate from plain data.

    Raises:
        Damaged: if it is none.

    Examples:
        >>> read_estimate({"value": 0.5, "low": 0.4, "high": 0.6, "coarse": True})
        Coarse(value=0.5, low=0.4, high=0.6)
    """
    lacking = set(ENDS) - set(record if isinstance(record, Mapping) else ())
    if lacking:
        raise Damaged(f"an estimate lacks {min(lacking)}")
    return (Coarse if record.get("coarse") else Estimate)(*(record[end] for end in ENDS))


def typed(record: Any) -> Any:
    """Plain data with every estimate in it as an `Estimate`, and lists as tuples.

    Examples:
        >>> typed({"loss": [{"value": 0.5, "low": 0.4, "high": 0.6}]})
        {'loss': (Estimate(value=0.5, low=0.4, high=0.6),)}
    """
    if isinstance(record, Mapping):
        if set(record) - {"coarse"} == set(ENDS):
            return read_estimate(record)
        return {key: typed(value) for key, value in record.items()}
    if isinstance(record, list | tuple) and not isinstance(record, Estimate):
        return tuple(map(typed, record))
    return record


def plain(value: Any) -> Any:
    """The inverse of `typed`.

    Examples:
        >>> plain((Estimate(0.5, 0.4, 0.6), 1))
        [{'value': 0.5, 'low': 0.4, 'high': 0.6}, 1]
    """
    if isinstance(value, Estimate):
        return value._asdict()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return list(map(plain, value))
    return value


def upgraded(record: Mapping[str, Any], schema: int) -> Mapping[str, Any]:
    """Converts a record of any version to the current one.

    Schema 1 has no `schema`: all tasks were classification, `test_accuracy` was the utility, and so
    was the `accuracy` of a curve's point.

    Args:
        record: the content of `results.json`.
        schema: the number of today's form.

    Raises:
        Damaged: if a newer version has written it, or one too old to be read.
    """
    found = record.get("schema", 1)
    if found == schema:
        return record
    if found != 1:
        raise Damaged(
            f"its schema is {found}, and this version of pptp_jax reads 1 and {schema}: use the "
            "version that wrote it"
        )
    if any("auc" in part for row in record["rows"] for part in row.get("white_box", {}).values()):
        raise Damaged("it was written by an older version, which kept white-box results otherwise")
    names = {"test_accuracy": "utility", "train_accuracy": "train_utility"}
    points = {"accuracy": "utility"}
    return {
        **record,
        "rows": [_renamed(row, names) for row in record["rows"]],
        "curves": [
            {**curve, "points": [_renamed(point, points) for point in curve["points"]]}
            for curve in record.get("curves", ())
        ],
        "comparisons": [
            {"gain": "points more", **found} for found in record.get("comparisons", ())
        ],
    }


def _renamed(record: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in record.items()}
