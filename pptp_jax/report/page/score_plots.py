"""What is drawn of scores: ROCs on logarithmic axes, histograms, and single records."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.results import RecipeResult
from pptp_jax.report.page.plot import (
    Area,
    Entry,
    Line,
    Mark,
    Plot,
    Scale,
    around,
    points,
    steps,
)
from pptp_jax.report.page.words import number, rate, recipe_name

# As many lines as one picture has room for beside that of the first recipe.
LINES = 6


class Curve(NamedTuple):
    """An ROC as it is drawn: its name in the legend, its rates, and perhaps their band."""

    name: str
    rates: Mapping[str, Sequence[float]]
    band: Mapping[str, Sequence[float]] | None = None


def roc_plots(found: Mapping[str, Any]) -> list[Plot]:
    """The ROCs of the compared attack on every recipe, then those of every attack on the first.

    A picture has room for a few lines beside that of the first recipe, or of the strongest attack.

    Args:
        found: the content of `report.json`.
    """
    rows, compared = found["results"].rows, found["results"].compared

    def curve(row: RecipeResult, attack: str, name: str, band: Any = None) -> Curve:
        known = number(row.attack(attack).auc.value)
        return Curve(f"{name} (AUC {known})", found["rocs"][row.slug][attack], band)

    shown = [row for row in rows if compared in found["rocs"].get(row.slug, {})]
    families = [
        [curve(row, compared, recipe_name(row), row.roc) for row in own]
        for _, own in groupby(shown, key=lambda row: row.recipe)
    ]
    plots = []
    if families:
        first, *rest = families[0]
        title = attack_name(compared) + (" on every recipe" if len(shown) > 1 else "")
        others = _packed([rest, *families[1:]])
        plots = [_rocs([first, *own], title) for own in others or [[]]]
    if rows and len(attacks := found["rocs"].get(rows[0].slug, {})) > 1:
        order = sorted(attacks, key=lambda attack: -(rows[0].attack(attack).auc.value or 0))
        strongest, *weaker = (curve(rows[0], attack, attack_name(attack)) for attack in order)
        title = f"Every attack on {recipe_name(rows[0])}"
        plots += [_rocs([strongest, *own], title) for own in _packed([weaker])]
    return plots


def _packed(families: Sequence[list[Curve]]) -> list[list[Curve]]:
    """Families side by side as long as there is room; one that is too large is cut."""
    packed: list[list[Curve]] = []
    for family in families:
        if packed and len(packed[-1]) + len(family) <= LINES:
            packed[-1] += family
        else:
            packed += [family[i : i + LINES] for i in range(0, len(family), LINES)]
    return packed


def _around(x: Scale, y: Scale, band: Mapping[str, Sequence[float]]) -> str:
    """There along the upper limits, and back along the lower ones."""
    there = points(x, y, band["fpr"], band["high"])
    return f"{there} {points(x, y, band['fpr'][::-1], band['low'][::-1])}"


def _rocs(curves: Sequence[Curve], title: str) -> Plot:
    """The ROCs from one false alarm up, with the band of the first where it has one."""
    low = min(0.1, *(curve.rates["fpr"][0] for curve in curves))
    x = Scale(low=low, high=1, start=52, end=388, log=True, percent=True)
    y = Scale(low=low, high=1, start=308, end=26, log=True, percent=True)
    lines = []
    for i, (name, rates, _) in enumerate(curves):
        pairs = [(a, b) for a, b in zip(rates["fpr"], rates["tpr"], strict=True) if b > 0]
        lines.append(Line(points(x, y, *zip(*pairs, strict=True)), i, name))
    band = curves[0].band
    return Plot(
        title=title,
        label=f"{title}: true-positive rate over false-positive rate, both on logarithmic axes: "
        + "; ".join(curve.name for curve in curves),
        x=x,
        y=y,
        x_title="false-positive rate (log scale)",
        y_title="true-positive rate (log scale)",
        height=352,
        areas=[Area(_around(x, y, band), "band")] if band else [],
        lines=lines,
        references=[f"M{x.start} {y.start}L{x.end} {y.end}"],
        legend=[Entry(i, curve.name) for i, curve in enumerate(curves)],
    )


def histogram_plots(found: Mapping[str, Any]) -> list[Plot]:
    """Of each recipe, the compared attack's scores of members and of non-members."""
    plots = []
    for row in found["results"].rows:
        counted = found["histograms"].get(row.slug)
        if counted is None:
            continue
        edges = counted["edges"]
        x = Scale(low=edges[0], high=edges[-1], start=8, end=232)
        shares = [*counted["members"], *counted["nonmembers"]]
        least = min(share for share in shares if share > 0)
        y = Scale(low=least / 2, high=1.2 * max(shares), start=126, end=6, log=True)
        attack = found["results"].compared
        known = number(row.attack(attack).auc.value)
        plots.append(
            Plot(
                title=recipe_name(row),
                label=f"Scores of {attack_name(attack)} for members and non-members of "
                f"{recipe_name(row)}, from {edges[0]:.3g} to {edges[-1]:.3g}; AUC {known}",
                x=x,
                y=y,
                x_title="score",
                width=240,
                height=164,
                areas=[
                    Area(steps(x, y, edges, counted["nonmembers"]), "nonmembers"),
                    Area(steps(x, y, edges, counted["members"]), "members"),
                ],
                y_ticks=False,
            )
        )
    return plots


def slice_plots(row: RecipeResult, attack: str) -> list[Plot]:
    """The AUC of the compared attack among some of the examples: each class, each difficulty.

    Args:
        row: of the results.
        attack: the compared attack.
    """
    kinds = {"per_class": "class", "per_decile": "tenth, the hardest first"}
    return [
        _slices(found, f"{attack_name(attack)} by {title.split(',')[0]}", title)
        for kind, title in kinds.items()
        if (found := [part for part in getattr(row, kind) or () if _resolved(part)])
    ]


def _resolved(part: Mapping[str, Any]) -> bool:
    return part["metrics"]["auc"].value is not None


def _slices(found: Sequence[Mapping[str, Any]], title: str, x_title: str) -> Plot:
    known = {part["slice"]: part["metrics"]["auc"] for part in found}
    low, high = around([0.5, *(end for one in known.values() for end in (one.low, one.high))])
    x = Scale(low=min(known) - 0.5, high=max(known) + 0.5, start=48, end=388, whole=True)
    y = Scale(low=low, high=high, start=216, end=26)
    marks = []
    for i, one in known.items():
        bar = x(i), y(one.low), x(i), y(one.high)
        told = f"{x_title.split(',')[0]} {i}: AUC {number(one.value)}"
        marks.append(Mark(x(i), y(one.value), 1, told, (bar,)))
    return Plot(
        title="",
        label=f"{title}. " + " ".join(f"{mark.name}." for mark in marks),
        x=x,
        y=y,
        x_title=x_title,
        y_title="AUC",
        height=256,
        marks=marks,
        references=[f"M{x.start} {y(0.5)}H{x.end}"],
        shapes=True,
    )


def strip(record: Mapping[str, Any], lowest: float) -> dict[str, Any]:
    r"""The places of a record's targets on the logarithmic axis of alarm rates, and a sentence.

    Args:
        record: one of the riskiest.
        lowest: the least rate that any of them has.

    Examples:
        >>> targets = [{"member": True, "alarm_rate": 0.001}, {"member": False, "alarm_rate": 0.9}]
        >>> strip({"targets": targets}, lowest=0.001)["told"].removeprefix("Non-members that ")
        'score as high: 0.1\xa0% in models trained on it, 90\xa0% in models not trained on it'
    """
    x = Scale(low=min(lowest, 0.1), high=1, start=152, end=8, log=True)
    told, dots = [], []
    for member, top in ((True, 4), (False, 24)):
        rates = sorted(t["alarm_rate"] for t in record["targets"] if t["member"] == member)
        # One below the other, since many are equal.
        step = 16 / max(len(rates) - 1, 1)
        if rates:
            typical = rate(math.exp(sum(map(math.log, rates)) / len(rates)))
            trained = "trained" if member else "not trained"
            told.append(f"{typical} in models {trained} on it".replace(" %", "\N{NO-BREAK SPACE}%"))
        dots += [
            {"x": x(rate), "y": round(top + step * i, 1), "member": member}
            for i, rate in enumerate(rates)
        ]
    return {"dots": dots, "told": f"Non-members that score as high: {', '.join(told)}"}
