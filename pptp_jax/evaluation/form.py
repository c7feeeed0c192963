"""The schema of `results.json`: the type of each value, checked before anything reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pptp_jax.evaluation.schema import Damaged

NUMBER, WHOLE, TEXT, ANY = "a number", "an integer", "a text", "anything"
_KINDS: Mapping[str, tuple[type, ...]] = {
    NUMBER: (int, float),
    WHOLE: (int,),
    TEXT: (str,),
}
# One of the four above; a list of a form, or of several, one a place; a record, whose keys may be
# left out where they end in `?`, and of which `*` stands for all others.
Form = Any


@dataclass(frozen=True)
class Maybe:
    """A schema, or null."""

    form: Form


@dataclass(frozen=True)
class Even:
    """A record whose lists, and the lists in these, are of one length."""

    form: Form


_MAYBE_NUMBER = Maybe(NUMBER)
ESTIMATE = {**dict.fromkeys(("value", "low", "high"), _MAYBE_NUMBER), "*": ANY}
_METRICS = {"auc": ESTIMATE, "*": ESTIMATE}
WHITE_BOX = {"*": {"*": _METRICS}}
_SLICES = Maybe([{"slice": WHOLE, "members": WHOLE, "nonmembers": WHOLE, "metrics": _METRICS}])
_SQUARE = [[_MAYBE_NUMBER]]
_ROC = Even({"fpr": [NUMBER], "tpr": [NUMBER], "low": [NUMBER], "high": [NUMBER]})
_AGREEMENT = Even(
    {"fpr": NUMBER, "attacks": [TEXT], "found": [WHOLE]}
    | dict.fromkeys(("jaccard", "low", "high", "chance", "overlap"), _SQUARE)
)
_COMBINED = {
    **{
        "attacks": [TEXT],
        "base_rate": NUMBER,
        "metrics": _METRICS,
        "gains": {"*": {"*": ESTIMATE}},
    },
    "brier": {"score": ESTIMATE}
    | dict.fromkeys(("miscalibration", "discrimination", "uncertainty"), NUMBER),
    "reliability": [
        {**dict.fromkeys(("low", "high", "probability"), NUMBER), "members": ESTIMATE}
        | {"pairs": WHOLE}
    ],
    **{"weights": {"*": NUMBER}, "shares": {"*": NUMBER}},
}
_OWNERS = {
    **dict.fromkeys(("owners", "least", "most"), WHOLE),
    **{"median": NUMBER, "size": ESTIMATE, "notes": [TEXT]},
    "attacks": {"*": {"*": _METRICS}},
}
_TRIAL = {
    **{
        "kind": TEXT,
        "norm": Maybe(TEXT),
        "size": NUMBER,
        "steps": Maybe(WHOLE),
        "accuracy": ESTIMATE,
    },
    "*": ANY,
}
_ROW = {
    **{"slug": TEXT, "attacks": {"*": {"*": ESTIMATE}}, "*": ANY},
    **dict.fromkeys(("recipe?", "region?", "defence?", "epochs?"), TEXT),
    **{"strength?": _MAYBE_NUMBER, "release?": Maybe(TEXT), "diverged?": [WHOLE]},
    **{"notes?": [TEXT], "warnings?": [TEXT], "train_loss?": [_MAYBE_NUMBER]},
    **dict.fromkeys(("train_accuracy?", "test_accuracy?", "train_utility?", "utility?"), ESTIMATE),
    **{"roc?": Maybe(_ROC), "calibrated?": Maybe({"*": {"*": ESTIMATE}}), "per_class?": _SLICES},
    **{"per_decile?": _SLICES, "agreement?": Maybe(_AGREEMENT)},
    "stability?": Maybe({"*": {"jaccard": ESTIMATE, "chance": _MAYBE_NUMBER}}),
    **{"combined?": Maybe(_COMBINED), "owners?": Maybe(_OWNERS)},
    **{"white_box?": {"*": {"*": ANY}}, "predicted_bytes?": Maybe(WHOLE)},
    "sample_quality?": {"*": ESTIMATE},
    "robustness?": {
        **{"examples?": WHOLE, "trials?": [_TRIAL], "warnings?": [TEXT]},
        "measures?": [{"name": TEXT, "mean": ESTIMATE}],
    },
}
_COMPARISON = {
    **dict.fromkeys(("a", "b", "statistic", "attack", "verdict"), TEXT),
    **{"ranges": [[NUMBER, NUMBER], [NUMBER, NUMBER]], "common": Maybe([NUMBER, NUMBER])},
    **{"differences": [{"strength": NUMBER, **ESTIMATE}], "mean": ESTIMATE, "best": ESTIMATE},
    "*": ANY,
}
_MARGIN = {
    **{"method": TEXT, "recipe": TEXT, "stop": Maybe(WHOLE)},
    **dict.fromkeys(("strength", "utility", "margin"), ESTIMATE),
}
_RECORDS = {"nonmembers": WHOLE, "exact": WHOLE, "near": Maybe(WHOLE), "words": TEXT, "*": ANY}
_JUDGED = {
    **dict.fromkeys(("target", "members", "nonmembers"), WHOLE),
    "auc": ESTIMATE,
    "p_value": NUMBER,
    "*": ANY,
}
_BLIND = {
    **{"words": TEXT, "found": ANY, "reads": [TEXT], "targets": [_JUDGED]},
    **{"records": Maybe(_RECORDS), "*": ANY},
}
_SIDES = dict.fromkeys(("members", "nonmembers", "gap"), ESTIMATE)
_SCREEN = {
    **{"verdict": TEXT, "sentence": TEXT, "members": WHOLE, "nonmembers": WHOLE},
    **{"accuracy": Maybe(_SIDES), "loss": _SIDES, "loss_auc": ESTIMATE, "blind": Maybe(_BLIND)},
    **{"tail": [{"fnr": NUMBER, "tnr": ESTIMATE}]},
    "parameters": Maybe({"count": WHOLE, "per_member": NUMBER}),
    "smallest_class": Maybe(dict.fromkeys(("label", "members", "classes"), WHOLE)),
    "smallest_group": Maybe(
        {"columns": [WHOLE]} | dict.fromkeys(("records", "alone", "groups"), WHOLE)
    ),
}
_GUESSES = dict.fromkeys(("attack", "control", "difference"), ESTIMATE)
_LABELS = {"members": _GUESSES, "nonmembers": _GUESSES, "excess": ESTIMATE}
_COUNTED = {
    **{"target": WHOLE, "members": NUMBER, "records": WHOLE, "counted": NUMBER},
    **dict.fromkeys(("share", "tpr", "fpr"), ESTIMATE),
}
RESULTS = {
    **{"rows": [_ROW], "study?": TEXT, "command?": Maybe(TEXT), "config?": Maybe({"*": ANY})},
    "data?": Maybe(
        {"name?": TEXT, "examples?": WHOLE, "classes?": Maybe(WHOLE)}
        | {"likeness?": {"words": TEXT, "*": ANY}, "*": ANY}
    ),
    **dict.fromkeys(("models?", "members?", "targets?", "seed?"), Maybe(WHOLE)),
    **{"versions?": {"*": TEXT}, "device?": Maybe(TEXT), "seconds?": _MAYBE_NUMBER},
    "precision?": Maybe(TEXT),
    **{"compared?": TEXT, "utility_name?": TEXT, "queries?": [TEXT]},
    "curves?": [{"name": TEXT, "points": [{"label": TEXT, "*": ESTIMATE}]}],
    **{"comparisons?": [_COMPARISON], "margins?": [_MARGIN], "*": ANY},
    **{"blind?": Maybe(_BLIND), "screen?": Maybe(_SCREEN), "label_inference?": Maybe(_LABELS)},
    "used_share?": Maybe({"attack": TEXT, "targets": [_COUNTED]}),
}


def check_form(value: Any, form: Form, place: str = "it") -> None:
    """Refuses a value that does not fit its schema.

    Args:
        value: plain data, from JSON.
        form: what it should be.
        place: what the value is called.

    Raises:
        Damaged: naming the place and what belongs there.

    Examples:
        >>> check_form({"notes": ["x", 3]}, {"notes": [TEXT]})
        Traceback (most recent call last):
            ...
        pptp_jax.evaluation.schema.Damaged: notes[1] must be a text, got 3
    """
    if isinstance(form, Maybe):
        if value is None:
            return
        form = form.form
    if isinstance(form, Even):
        check_form(value, form.form, place)
        if len(_lengths(value)) > 1:
            raise Damaged(f"the lists of {place} are of different lengths")
    elif isinstance(form, list):
        if not isinstance(value, list) or (len(form) > 1 and len(value) != len(form)):
            raise Damaged(f"{place} must be a list, got {value!r:.80}")
        for i, part in enumerate(value):
            check_form(part, form[i % len(form)], f"{place}[{i}]")
    elif isinstance(form, Mapping):
        _check_record(value, form, place)
    elif form != ANY and (not isinstance(value, _KINDS[form]) or not _is_plain(value)):
        raise Damaged(f"{place} must be {form}, got {value!r:.80}")


def _check_record(value: Any, form: Mapping[str, Form], place: str) -> None:
    if not isinstance(value, dict):
        raise Damaged(f"{place} must be a record, got {value!r:.80}")
    for key in form:
        if key != "*" and not key.endswith("?") and key not in value:
            raise Damaged(f"{place} lacks {key}")
    for key, part in value.items():
        own = form.get(key, form.get(f"{key}?", form.get("*", ANY)))
        check_form(part, own, key if place == "it" else f"{place}.{key}")


def _is_plain(value: Any) -> bool:
    """Whether it is a number that fits a float, and no bool, which Python counts as an integer."""
    return isinstance(value, str) or (not isinstance(value, bool) and abs(value) < 1e300)


def _lengths(value: Any) -> set[int]:
    """Of all lists in a value."""
    if isinstance(value, dict):
        return set().union(*map(_lengths, value.values()))
    return {len(value)}.union(*map(_lengths, value)) if isinstance(value, list) else set()
