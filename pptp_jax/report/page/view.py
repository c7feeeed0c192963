"""From what is known to what the template shows: sections, cells, sentences and figures."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.measure import POINTS
from pptp_jax.evaluation.results import RecipeResult, RunResults
from pptp_jax.evaluation.risk import ATTACK, DECISIVE
from pptp_jax.evaluation.schema import typed
from pptp_jax.metrics import Estimate
from pptp_jax.report.other_questions import other_facts
from pptp_jax.report.page import sentences, token_text
from pptp_jax.report.page.combined_plots import reliability_plots
from pptp_jax.report.page.exposure_plots import exposure_plots
from pptp_jax.report.page.plot import Plot
from pptp_jax.report.page.risk_plots import bar_charts, cut_plot
from pptp_jax.report.page.robustness import robustness_table
from pptp_jax.report.page.score_plots import histogram_plots, roc_plots, slice_plots, strip
from pptp_jax.report.page.sections import SECTIONS
from pptp_jax.report.page.setting import facts, setting, versions
from pptp_jax.report.page.strength_plots import strength_plots
from pptp_jax.report.page.table import cells, columns
from pptp_jax.report.page.words import metric_name, recipe_name, shadow_counts
from pptp_jax.report.risk_table import WAYS
from pptp_jax.report.samples import TITLES, sample_rows
from pptp_jax.report.screen import screen_facts

STATISTICS = ("auc", "tpr@0.001")


def view(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the template needs.

    Args:
        found: what `content` gives.
    """
    results, risks = found["results"], found["risk_map"]
    shown: dict[str, Any] = {"summary": [], "facts": {}, "config": {}, "command": None}
    if results is not None:
        shown |= _of_results(results) | _of_scores(found)
    if risks is not None:
        shown |= _of_risk_map(results, risks)
    if found["canaries"] is not None:
        shown |= _of_canaries(found["canaries"], shown)
    either = results.to_json() if results else risks or found["canaries"]
    shown["title"] = either.get("study") or either.get("audit", "membership")
    shown["versions"] = versions(either)
    shown["utility"] = results.utility_name if results else "accuracy"
    filled = {"utility": shown["utility"], "attack": shown.get("attack", "")}
    sections = {
        id: section._replace(lead=section.lead.format(**filled))
        for id, section in SECTIONS.items()
        if shown.get(section.needs)
    }
    return shown | {"sections": sections}


def _of_results(results: RunResults) -> dict[str, Any]:
    rows = results.rows
    shown = columns(results)
    inside = [by_block for row in rows for by_block in row.white_box.values()]
    return {
        "summary": sentences.summary(results),
        "facts": facts(results),
        "setting": setting(results),
        "config": results.config,
        "rows": rows,
        "blind": results.blind,
        "screen": results.screen,
        "other_facts": other_facts(results),
        "screen_facts": screen_facts(results.screen) if results.screen else {},
        "columns": shown,
        "cells": {row.slug: cells(row, shown) for row in rows},
        "warnings": sentences.warnings(results),
        "notes": sorted({note for row in rows for note in row.notes}),
        "attack": attack_name(results.compared),
        "attacks": results.attacks,
        "metrics": {row.slug: _metrics(row) for row in rows},
        "tint": tint,
        "better": "Higher" if results.higher_is_better else "Lower",
        "curves": [plot for s in STATISTICS for plot in strength_plots(results, s)],
        "comparisons": [_comparison(found) for found in results.comparisons],
        "slices": _slices(results),
        "agreement": _agreement(rows),
        "compared": results.compared,
        **_combined(results),
        "owners": [row for row in rows if row.owners is not None],
        "calibrated": [
            (row, _threshold(cut), found)
            for row in rows
            for cut, found in (row.calibrated or {}).items()
        ],
        "blocks": list(dict.fromkeys(block for by_block in inside for block in by_block)),
        "robustness": robustness_table(rows),
        "command": results.command,
    }


def _of_scores(found: Mapping[str, Any]) -> dict[str, Any]:
    rates = [
        target["alarm_rate"]
        for records in found["riskiest"].values()
        for record in records
        for target in record["targets"]
    ]
    names = {row.slug: recipe_name(row) for row in found["results"].rows}
    return {
        "rocs": roc_plots(found),
        "histograms": histogram_plots(found),
        "riskiest": [(names[s], own) for s, own in found["riskiest"].items() if s in names and own],
        "sample_titles": list(TITLES.values()),
        "sample_rows": sample_rows(found["results"].rows),
        "samples": [(names[s], own) for s, own in found["samples"].items() if s in names],
        "strip": partial(strip, lowest=min(rates, default=1.0)),
        **_of_tokens([one for own in found["riskiest"].values() for one in own]),
        "shadows": shadow_counts(found["shadows"]),
        "caveats": sentences.caveats(found),
    }


def _of_tokens(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How text among the riskiest records is drawn."""
    texts = [record for record in records if "tokens" in record]
    most = token_text.shown_of(texts)
    return {
        "texts": bool(texts),
        "tokens": partial(token_text.drawn, most=most),
        "tokens_told": partial(token_text.told, most=most),
        "shades": token_text.legend(),
        "chance": token_text.chance(texts[0]) if texts else "",
    }


def _of_risk_map(results: RunResults | None, risks: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "bars": bar_charts(risks),
        "cuts": cut_plot(risks),
        "map_words": sentences.risk_map(results, risks),
        "map_attack": attack_name(ATTACK),
        "map_way": WAYS[DECISIVE],
    }


def _of_canaries(audit: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    rows, secrets = typed(audit["rows"]), "secrets" in audit
    return {
        "canaries": rows,
        "canary_words": sentences.canaries(audit),
        "canary_utility": audit["utility"] if secrets else "test accuracy",
        "exposures": exposure_plots(rows) if secrets else [],
        "secrets": audit["secrets"] if secrets else None,
        "command": shown["command"] or audit.get("command"),
        "config": shown["config"] or audit.get("config") or {},
    }


def _metrics(row: RecipeResult) -> list[str]:
    """The names of the estimates that any attack on a recipe has."""
    return list(dict.fromkeys(name for found in row.attacks.values() for name in found.metrics))


def tint(auc: float | None) -> str:
    """How dark the cell of an AUC is, from 0 at chance to 1.

    Examples:
        >>> tint(0.5), tint(1.0), tint(None), tint(0.6)
        ('0.00', '1.00', '0.00', '0.20')
    """
    return f"{max(0.0, 2 * (auc or 0.5) - 1):.2f}"


def _slices(results: RunResults) -> list[tuple[str, list[Plot]]]:
    """By recipe, the pictures of what is achieved among some of the examples."""
    found = [(recipe_name(row), slice_plots(row, results.compared)) for row in results.rows]
    return [(name, plots) for name, plots in found if plots]


def _combined(results: RunResults) -> dict[str, Any]:
    """The recipes whose attacks were combined, the attacks that went in, and the pictures."""
    rows = [row for row in results.rows if row.combined is not None]
    went_in = {attack for row in rows for attack in (row.combined or {})["shares"]}
    shared = [attack for attack in results.attacks if attack in went_in]
    return {"combined": rows, "shared": shared, "reliability": reliability_plots(rows)}


def _agreement(rows: Sequence[RecipeResult]) -> dict[str, Any]:
    """Of the first recipe, which attacks find the same members; empty for a single attack."""
    found = (rows[0].agreement or {}) if rows else {}
    if len(found.get("attacks", ())) < 2:
        return {}
    return {**found, "stability": rows[0].stability or {}}


def _threshold(cut: str) -> str:
    """What a threshold was chosen for."""
    kind, _, rate = cut.partition("@")
    return f"for {100 * float(rate):g} % FPR" if kind == "fpr" else "for the best accuracy"


def _comparison(found: Mapping[str, Any]) -> dict[str, Any]:
    scale = 100 if found["gain"] == POINTS else 1
    mean = Estimate(*(None if x is None else scale * x for x in found["mean"]))
    _, low, high = mean
    return {
        **found,
        "mean": mean,
        "digits": 1 if scale > 1 else 3,
        "scale": f"{metric_name(found['statistic'])} of {attack_name(found['attack'])}",
        "significant": low is not None and high is not None and (low > 0 or high < 0),
    }
