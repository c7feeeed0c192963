"""What a run will train, for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from pptp_jax.report.plain_text import plain_text
from pptp_jax.storage.units import duration, size


def render_forecast(found: Mapping[str, Any], width: int = 160) -> str:
    """One line a recipe with its phases, models, predicted time and memory; then the sums.

    Args:
        found: what `pptp_jax.study.forecast` gives.
        width: that of the terminal, in characters.

    Returns:
        The table, as plain text.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("recipe, and the epochs of its phases", overflow="fold")
    for column in ("models", "at a time", "time", "memory"):
        table.add_column(column, justify="right", no_wrap=True)
    for recipe in found["recipes"]:
        table.add_row(
            f"{recipe['slug']}\n{_phases(recipe)}",
            str(recipe["models"]),
            str(recipe["at_a_time"]),
            duration(recipe["seconds"]),
            size(recipe["bytes"]),
        )
    devices = "1 device" if found["devices"] == 1 else f"{found['devices']} devices"
    models = sum(recipe["models"] for recipe in found["recipes"])
    classes = f" in {found['classes']} classes" if found["classes"] else ""
    heading = (
        f"{found['study']}: {found['data']}, {found['examples']} examples{classes}, "
        f"{found['members']} members a model; {models} models in all, trained by "
        f"{found['strategy']} on {devices}"
    )
    needed = (
        f"Predicted, not measured: training takes {duration(found['seconds'])}, and the largest "
        f"group of models {size(found['bytes'])} besides the data."
        if found["seconds"] is not None
        else f"Predicted, not measured: the largest group of models takes {size(found['bytes'])} "
        f"besides the data; the time of the order {found['strategy']} is not predicted."
    )
    why = (
        "The time is that of plain steps at the speed of a short probe just now; compilation, "
        "attacks and what a defence computes besides come on top, and private phases take several "
        "times as long."
    )
    if any(recipe["region"] in ("auto", "not auto") for recipe in found["recipes"]):
        why += " So does the search for the region `auto`."
    alike = [f"Data: {found['likeness']['words']}."] if found.get("likeness") else []
    known = [f"Precision {found['precision']}.", *alike, *found.get("notices", ()), needed, why]
    return "\n".join(
        [heading, plain_text(table, width=width), *known, "Nothing was trained or written."]
    )


def _phases(recipe: Mapping[str, Any]) -> str:
    phases = "; then ".join(map(_phase, recipe["phases"]))
    if (shared := recipe["shared"]) is None:
        return phases
    first = "first phase" if shared["phases"] == 1 else f"first {shared['phases']} phases"
    return f"{phases} ({first} trained with {shared['of']})"


def _phase(phase: Mapping[str, Any]) -> str:
    objectives = [
        name if len(phase["objectives"]) == 1 else f"{name} on {region}"
        for region, name in phase["objectives"].items()
    ]
    words = f"{phase['epochs']} of {' and '.join(objectives)}".replace("_", " ")
    for what in ("frozen", "rewound", "restored", "perturbed"):
        if phase.get(what):
            words += f", {' and '.join(phase[what])} {what}"
    words += f", {phase['schedule']} rate" if phase.get("schedule") else ""
    for region, number in phase.get("weight_decay", {}).items():
        words += f", weight decay {number:g}" + ("" if region == "whole" else f" on {region}")
    words += ", private" if phase.get("private") else ""
    return words + (f", {phase['networks']} networks a model" if phase.get("networks") else "")
