"""What is drawn of text canaries: exposure by repetitions."""

from collections.abc import Mapping, Sequence
from typing import Any

from pptp_jax.report.curves import Known
from pptp_jax.report.page.plot import COLOURS, Entry, Line, Mark, Plot, Scale, points
from pptp_jax.report.page.words import number


def exposure_plots(rows: Sequence[Mapping[str, Any]]) -> list[Plot]:
    """Exposure over the repetitions of a canary, a line a recipe; absent canaries stand at 0.

    Args:
        rows: the rows of the `audit.json` of text canaries, with estimates as such.
    """
    groups = [rows[i : i + COLOURS] for i in range(0, len(rows), COLOURS)]
    return [_plot(own) for own in groups]


def _plot(rows: Sequence[Mapping[str, Any]]) -> Plot:
    known = {row["slug"]: _resolved(row["exposure"]) for row in rows}
    most = max(row["most_bits"] for row in rows)
    repetitions = [repeated for found in known.values() for repeated, _ in found]
    x = Scale(low=-0.4, high=max([1, *repetitions]) + 0.4, start=48, end=388, whole=True)
    y = Scale(low=0, high=1.05 * most, start=256, end=26)
    marks, told = [], []
    for i, (slug, found) in enumerate(known.items()):
        for repeated, bits in found:
            at = x(repeated + 0.04 * (i - len(known) / 2))  # side by side
            words = f"{slug}, {repeated or 'no'} repetitions: {number(bits.value, 2)} bits"
            marks.append(Mark(at, y(bits.value), i, words, ((at, y(bits.low), at, y(bits.high)),)))
            told.append(f"{words}.")
    return Plot(
        title="Exposure by repetitions",
        label=f"Exposure in bits over repetitions, of at most {most:.1f}. " + " ".join(told),
        x=x,
        y=y,
        x_title="repetitions of a canary in training (0: absent)",
        y_title="exposure, bits",
        lines=[
            Line(points(x, y, *zip(*((r, bits.value) for r, bits in found), strict=True)), i, slug)
            for i, (slug, found) in enumerate(known.items())
            if found
        ],
        marks=marks,
        references=[f"M{x.start} {y(most)}H{x.end}"],
        legend=[Entry(i, slug) for i, slug in enumerate(known)],
        shapes=True,
    )


def _resolved(exposures: Sequence[Mapping[str, Any]]) -> Sequence[tuple[int, Known]]:
    estimates = [(one["repetitions"], one["exposure"]) for one in exposures]
    return [(repeated, Known(*bits)) for repeated, bits in estimates if bits.value is not None]
