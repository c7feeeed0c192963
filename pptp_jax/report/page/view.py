"""From what is known to what the template shows: sections, cells, sentences and figures."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pptp_jax.locate import ATTACK, DECISIVE
from pptp_jax.report.page import sentences
from pptp_jax.report.page.plot import Plot
from pptp_jax.report.page.risk_plots import bar_charts, cut_plot
from pptp_jax.report.page.robustness import robustness_table
from pptp_jax.report.page.score_plots import histogram_plots, roc_plots, slice_plots, strip
from pptp_jax.report.page.strength_plots import strength_plots
from pptp_jax.report.page.words import attack_name, compact, metric_name, recipe_name
from pptp_jax.report.risk_table import WAYS

# Whose AUC stands in the table beside that of the compared attack; all of them stand further down.
HEADLINE = ("loss", "lira_online", "lira_offline", "rmia_online")
STATISTICS = ("auc", "tpr@0.001")
UNKNOWN: Mapping[str, Any] = dict.fromkeys(("value", "low", "high"))
# Each section with what it has to have to be shown.
SECTIONS = {
    "setting": ("What was trained and attacked", "setting"),
    "table": ("Accuracy and leakage", "rows"),
    "curves": ("Accuracy over attack strength", "curves"),
    "comparisons": ("Verdicts at equal attack strength", "comparisons"),
    "rocs": ("ROC", "rocs"),
    "scores": ("Scores of members and non-members", "histograms"),
    "attacks": ("Every attack", "attacks"),
    "found": ("Who is found", "slices"),
    "white-box": ("Inside the network", "blocks"),
    "robustness": ("Under disturbed inputs", "robustness"),
    "riskiest": ("Riskiest records", "riskiest"),
    "canaries": ("Bounds on ε from canaries", "canaries"),
    "risk-map": ("Where the risk lies", "bars"),
    "caveats": ("What the numbers do not say", "caveats"),
    "again": ("Versions, and how to get this again", "versions"),
}


class Column(NamedTuple):
    """A column of the table: its title, and where its number stands in a row.

    Without a place it is that of the strongest attack, whichever this is.
    """

    title: str
    keys: tuple[str, ...]
    digits: int = 3


class Cell(NamedTuple):
    """A cell of the table.

    Attributes:
        estimate: the number with its interval.
        digits: behind the point.
        best: whether no other attack in the row has a larger AUC.
        name: of the attack, where it differs from row to row.
    """

    estimate: Mapping[str, Any]
    digits: int = 3
    best: bool = False
    name: str = ""


def view(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the template needs.

    Args:
        found: the content of `report.json`.
    """
    results, risks = found["results"], found["risk_map"]
    shown: dict[str, Any] = {"summary": [], "facts": {}, "config": {}, "command": None}
    if results is not None:
        shown |= _of_results(results) | _of_scores(found)
    if risks is not None:
        shown |= _of_risk_map(results, risks)
    if found["canaries"] is not None:
        shown |= _of_canaries(found["canaries"], shown)
    either = results or risks or found["canaries"]
    shown["title"] = either.get("study") or either.get("audit", "membership")
    shown["versions"] = _versions(either)
    sections = {id: name for id, (name, needed) in SECTIONS.items() if shown.get(needed)}
    return shown | {"sections": sections}


def _of_results(results: Mapping[str, Any]) -> dict[str, Any]:
    rows = results["rows"]
    columns = _columns(results)
    config = results.get("config") or {}
    inside = [by_block for row in rows for by_block in row.get("white_box", {}).values()]
    return {
        "summary": sentences.summary(results),
        "facts": _facts(results),
        "setting": _setting(results, config),
        "config": config,
        "rows": rows,
        "columns": columns,
        "cells": {row["slug"]: _cells(row, columns) for row in rows},
        "notes": sentences.notes(results),
        "attack": attack_name(results.get("compared") or ""),
        "attacks": list(dict.fromkeys(attack for row in rows for attack in row["attacks"])),
        "metrics": {row["slug"]: _metrics(row) for row in rows},
        "tint": tint,
        "curves": [plot for s in STATISTICS for plot in strength_plots(results, s)],
        "comparisons": [_comparison(found) for found in results.get("comparisons", ())],
        "slices": _slices(results),
        "agreement": _agreement(rows),
        "calibrated": [
            (row, _threshold(cut), found)
            for row in rows
            for cut, found in (row.get("calibrated") or {}).items()
        ],
        "blocks": list(dict.fromkeys(block for by_block in inside for block in by_block)),
        "robustness": robustness_table(rows),
        "command": results.get("command"),
    }


def _of_scores(found: Mapping[str, Any]) -> dict[str, Any]:
    rates = [
        target["alarm_rate"]
        for records in found["riskiest"].values()
        for record in records
        for target in record["targets"]
    ]
    names = {row["slug"]: recipe_name(row) for row in found["results"]["rows"]}
    return {
        "rocs": roc_plots(found),
        "histograms": histogram_plots(found),
        "riskiest": [(names[s], own) for s, own in found["riskiest"].items() if s in names and own],
        "strip": partial(strip, lowest=min(rates, default=1.0)),
        "caveats": sentences.caveats(found),
    }


def _of_risk_map(results: Mapping[str, Any] | None, risks: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "bars": bar_charts(risks),
        "cuts": cut_plot(risks),
        "map_words": sentences.risk_map(results, risks),
        "map_attack": attack_name(ATTACK),
        "map_way": WAYS[DECISIVE],
    }


def _of_canaries(audit: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "canaries": audit["rows"],
        "canary_words": sentences.canaries(audit),
        "command": shown["command"] or audit.get("command"),
        "config": shown["config"] or audit.get("config") or {},
    }


def _columns(results: Mapping[str, Any]) -> list[Column]:
    rows, compared = results["rows"], str(results.get("compared"))
    known = dict.fromkeys(attack for row in rows for attack in row["attacks"])
    headline = [a for a in known if a == compared or a in HEADLINE]
    # Where none of the usual attacks was made, as many others as there is room for.
    headline = headline or list(known)[: len(HEADLINE)]
    columns = [
        Column("test accuracy", ("test_accuracy",)),
        Column("training accuracy", ("train_accuracy",)),
        *(Column(f"{attack_name(a)} AUC", ("attacks", a, "auc")) for a in headline),
    ]
    if {sentences.strongest(row) for row in rows} - {None, *headline}:
        columns.append(Column(f"largest AUC of {len(known)} attacks", ()))
    if compared in known:
        columns += [
            Column(f"{attack_name(compared)} {metric_name(rate)}", ("attacks", compared, rate), 4)
            for rate in ("tpr@0.01", "tpr@0.001")
        ]
    return [
        column
        for column in columns
        if not column.keys or any(_at(row, column.keys)["value"] is not None for row in rows)
    ]


def _at(row: Mapping[str, Any], keys: tuple[str, ...]) -> Mapping[str, Any]:
    found: Any = row
    for key in keys:
        found = found.get(key) or {}
    return found or UNKNOWN


def _cells(row: Mapping[str, Any], columns: list[Column]) -> list[Cell]:
    """The row's numbers, the strongest attack's among them: its own cell where it has no column."""
    strongest = sentences.strongest(row)
    return [
        Cell(_at(row, c.keys), c.digits, c.keys == ("attacks", strongest, "auc"))
        if c.keys
        else Cell(_at(row, ("attacks", str(strongest), "auc")), name=attack_name(strongest or ""))
        for c in columns
    ]


def _metrics(row: Mapping[str, Any]) -> list[str]:
    """The names of the estimates that any attack on a recipe has."""
    return list(
        dict.fromkeys(
            name
            for metrics in row["attacks"].values()
            for name, found in metrics.items()
            if isinstance(found, Mapping) and set(found) >= set(UNKNOWN)
        )
    )


def tint(auc: float | None) -> str:
    """How dark the cell of an AUC is, from 0 at chance to 1.

    Examples:
        >>> tint(0.5), tint(1.0), tint(None), tint(0.6)
        ('0.00', '1.00', '0.00', '0.20')
    """
    return f"{max(0.0, 2 * (auc or 0.5) - 1):.2f}"


def _slices(results: Mapping[str, Any]) -> list[tuple[str, list[Plot]]]:
    """By recipe, the pictures of what is achieved among some of the examples."""
    compared = str(results.get("compared"))
    found = [(recipe_name(row), slice_plots(row, compared)) for row in results["rows"]]
    return [(name, plots) for name, plots in found if plots]


def _agreement(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the first recipe, which attacks find the same members; empty for a single attack."""
    found = (rows[0].get("agreement") or {}) if rows else {}
    if len(found.get("attacks", ())) < 2:
        return {}
    return {**found, "stability": rows[0].get("stability") or {}}


def _threshold(cut: str) -> str:
    """What a threshold was chosen for."""
    kind, _, rate = cut.partition("@")
    return f"for {100 * float(rate):g} % FPR" if kind == "fpr" else "for the best accuracy"


def _comparison(found: Mapping[str, Any]) -> dict[str, Any]:
    mean = {key: None if x is None else 100 * x for key, x in found["mean"].items()}
    low, high = mean["low"], mean["high"]
    return {
        **found,
        "mean": mean,
        "scale": f"{metric_name(found['statistic'])} of {attack_name(found['attack'])}",
        "told": low is not None and high is not None and (low > 0 or high < 0),
    }


def _facts(results: Mapping[str, Any]) -> dict[str, str]:
    data = results.get("data") or {}
    facts = {
        "examples": data.get("examples"),
        "classes": data.get("classes"),
        "models a recipe": results.get("models"),
        "members each": results.get("members"),
        "attacked in turn": results.get("targets"),
        "recipes": len(results["rows"]),
        "attacks": max((len(row["attacks"]) for row in results["rows"]), default=0),
    }
    return {name: f"{fact:,}" for name, fact in facts.items() if fact is not None}


def _setting(results: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    stops = config.get("trajectory")
    data, source = results.get("data") or {}, compact(config.get("data"))
    setting = {
        "data": data.get("name"),
        "source": source if "(" in source else None,
        "model": compact(config["model"]) if config.get("model") else None,
        "who is a member": sentences.split(results),
        "recipes": "; ".join(map(recipe_name, results["rows"])),
        "optimiser": compact(config["optimizer"]) if config.get("optimizer") else None,
        "batch size": config.get("batch_size"),
        "augmentation": compact(config["augmentation"]) if config.get("augmentation") else None,
        "attacked on the way": f"after {compact(stops)} epochs" if stops else None,
        "attacks": ", ".join(
            dict.fromkeys(attack_name(a) for row in results["rows"] for a in row["attacks"])
        ),
        "probes": _probes(results, config),
        "compared by": attack_name(results.get("compared") or ""),
    }
    return {name: str(value) for name, value in setting.items() if value}


def _probes(results: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """How the models were asked, where an attack depends on it."""
    made = {attack for row in results["rows"] for attack in row["attacks"]}
    depend = made & {"boundary_distance", "noise"}
    return compact(config["probes"]) if depend and "probes" in config else None


def _versions(record: Mapping[str, Any]) -> dict[str, str]:
    found = dict(record.get("versions") or {})
    found |= {
        "seed": record.get("seed"),
        "data (SHA-256)": (record.get("data") or {}).get("fingerprint"),
        "device": record.get("device"),
        "seconds": record.get("seconds"),
    }
    return {name: str(value) for name, value in found.items() if value is not None}
