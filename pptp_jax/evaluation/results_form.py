"""The form of `results.json`: the type of each value."""

from pptp_jax.evaluation.form import ANY, NUMBER, TEXT, WHOLE, Even, Maybe

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
    "attacks": [TEXT],
    "base_rate": NUMBER,
    "metrics": _METRICS,
    "gains": {"*": {"*": ESTIMATE}},
    "brier": {"score": ESTIMATE}
    | dict.fromkeys(("miscalibration", "discrimination", "uncertainty"), NUMBER),
    "reliability": [
        {**dict.fromkeys(("low", "high", "probability"), NUMBER), "members": ESTIMATE}
        | {"pairs": WHOLE}
    ],
    "weights": {"*": NUMBER},
    "shares": {"*": NUMBER},
}
_OWNERS = {
    **dict.fromkeys(("owners", "least", "most"), WHOLE),
    "median": NUMBER,
    "size": ESTIMATE,
    "notes": [TEXT],
    "attacks": {"*": {"*": _METRICS}},
}
_TRIAL = {
    "kind": TEXT,
    "norm": Maybe(TEXT),
    "size": NUMBER,
    "steps": Maybe(WHOLE),
    "accuracy": ESTIMATE,
    "*": ANY,
}
_ROW = {
    "slug": TEXT,
    "attacks": {"*": {"*": ESTIMATE}},
    "*": ANY,
    **dict.fromkeys(("recipe?", "region?", "defence?", "epochs?"), TEXT),
    "strength?": _MAYBE_NUMBER,
    "release?": Maybe(TEXT),
    "diverged?": [WHOLE],
    "notes?": [TEXT],
    "warnings?": [TEXT],
    "train_loss?": [_MAYBE_NUMBER],
    **dict.fromkeys(("train_accuracy?", "test_accuracy?", "train_utility?", "utility?"), ESTIMATE),
    "roc?": Maybe(_ROC),
    "calibrated?": Maybe({"*": {"*": ESTIMATE}}),
    "per_class?": _SLICES,
    "per_decile?": _SLICES,
    "agreement?": Maybe(_AGREEMENT),
    "stability?": Maybe({"*": {"jaccard": ESTIMATE, "chance": _MAYBE_NUMBER}}),
    "combined?": Maybe(_COMBINED),
    "owners?": Maybe(_OWNERS),
    "white_box?": {"*": {"*": ANY}},
    "predicted_bytes?": Maybe(WHOLE),
    "sample_quality?": {"*": ESTIMATE},
    "robustness?": {
        "examples?": WHOLE,
        "trials?": [_TRIAL],
        "warnings?": [TEXT],
        "measures?": [{"name": TEXT, "mean": ESTIMATE}],
    },
}
_COMPARISON = {
    **dict.fromkeys(("a", "b", "statistic", "attack", "verdict"), TEXT),
    "ranges": [[NUMBER, NUMBER], [NUMBER, NUMBER]],
    "common": Maybe([NUMBER, NUMBER]),
    "differences": [{"strength": NUMBER, **ESTIMATE}],
    "mean": ESTIMATE,
    "best": ESTIMATE,
    "*": ANY,
}
_MARGIN = {
    "method": TEXT,
    "recipe": TEXT,
    "stop": Maybe(WHOLE),
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
    "words": TEXT,
    "found": ANY,
    "reads": [TEXT],
    "targets": [_JUDGED],
    "records": Maybe(_RECORDS),
    "*": ANY,
}
_SIDES = dict.fromkeys(("members", "nonmembers", "gap"), ESTIMATE)
_SCREEN = {
    "verdict": TEXT,
    "sentence": TEXT,
    "members": WHOLE,
    "nonmembers": WHOLE,
    "accuracy": Maybe(_SIDES),
    "loss": _SIDES,
    "loss_auc": ESTIMATE,
    "blind": Maybe(_BLIND),
    "tail": [{"fnr": NUMBER, "tnr": ESTIMATE}],
    "parameters": Maybe({"count": WHOLE, "per_member": NUMBER}),
    "smallest_class": Maybe(dict.fromkeys(("label", "members", "classes"), WHOLE)),
    "smallest_group": Maybe(
        {"columns": [WHOLE]} | dict.fromkeys(("records", "alone", "groups"), WHOLE)
    ),
}
_GUESSES = dict.fromkeys(("attack", "control", "difference"), ESTIMATE)
_LABELS = {"members": _GUESSES, "nonmembers": _GUESSES, "excess": ESTIMATE}
_COUNTED = {
    "target": WHOLE,
    "members": NUMBER,
    "records": WHOLE,
    "counted": NUMBER,
    **dict.fromkeys(("share", "tpr", "fpr"), ESTIMATE),
}
RESULTS = {
    "rows": [_ROW],
    "study?": TEXT,
    "command?": Maybe(TEXT),
    "config?": Maybe({"*": ANY}),
    "data?": Maybe(
        {"name?": TEXT, "examples?": WHOLE, "classes?": Maybe(WHOLE)}
        | {"likeness?": {"words": TEXT, "*": ANY}, "*": ANY}
    ),
    **dict.fromkeys(("models?", "members?", "targets?", "seed?"), Maybe(WHOLE)),
    "versions?": {"*": TEXT},
    "device?": Maybe(TEXT),
    "seconds?": _MAYBE_NUMBER,
    "precision?": Maybe(TEXT),
    "compared?": TEXT,
    "utility_name?": TEXT,
    "queries?": [TEXT],
    "curves?": [{"name": TEXT, "points": [{"label": TEXT, "*": ESTIMATE}]}],
    "comparisons?": [_COMPARISON],
    "margins?": [_MARGIN],
    "*": ANY,
    "blind?": Maybe(_BLIND),
    "screen?": Maybe(_SCREEN),
    "label_inference?": Maybe(_LABELS),
    "used_share?": Maybe({"attack": TEXT, "targets": [_COUNTED]}),
}
