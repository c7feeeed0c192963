"""What is drawn of probabilities of membership: whether they mean what they say."""

from collections.abc import Mapping, Sequence
from typing import Any

from pptp_jax.evaluation.results import RecipeResult
from pptp_jax.report.page.plot import Area, Mark, Plot, Scale, steps
from pptp_jax.report.page.words import number, rate, recipe_name

# Of the picture's height, what the bars at the foot may take.
FOOT = 0.25


def reliability_plots(rows: Sequence[RecipeResult]) -> list[Plot]:
    """Of each recipe, the share of members where a probability was given; below, how often it was.

    Args:
        rows: those whose attacks were combined.
    """
    found = [(row, row.combined["reliability"]) for row in rows if row.combined is not None]
    return [_plot(recipe_name(row), bins) for row, bins in found]


def _plot(title: str, bins: Sequence[Mapping[str, Any]]) -> Plot:
    x = Scale(low=0, high=1, start=34, end=232)
    y = Scale(low=0, high=1, start=190, end=28)
    total = sum(found["pairs"] for found in bins)
    most = max(found["pairs"] for found in bins)
    marks, bars = [], []
    for found in bins:
        at, (value, low, high) = x(found["probability"]), found["members"]
        told = (
            f"{number(found['probability'], 2)} on average: {number(value, 2)} are members, of "
            f"{found['pairs']:,} pairs"
        )
        marks.append(Mark(at, y(value), 1, told, ((at, y(low), at, y(high)),)))
        edges, height = (found["low"], found["high"]), FOOT * found["pairs"] / most
        bars.append(Area(steps(x, y, edges, [height]), "nonmembers"))
    largest = max(bins, key=lambda found: found["pairs"])
    return Plot(
        title=title,
        label=f"{title}: the share of members by probability. "
        + " ".join(f"{mark.name}." for mark in marks)
        + f" {rate(largest['pairs'] / total)} of the pairs lie between {largest['low']:g} and "
        f"{largest['high']:g}.",
        x=x,
        y=y,
        x_title="probability",
        y_title="share of members",
        width=240,
        height=230,
        areas=bars,
        marks=marks,
        references=[f"M{x(0)} {y(0)}L{x(1)} {y(1)}"],
        shapes=True,
    )
