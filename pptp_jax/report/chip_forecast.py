"""What the compiler of a TPU says of a study, for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from pptp_jax.report.plain_text import plain_text
from pptp_jax.storage.units import size

COLUMNS = ("models at a time", "a chip", "room for", "memory", "a step moves", "operations")


def render_chip_forecast(found: Mapping[str, Any]) -> str:
    """One line a recipe and order: whether it compiles, what fits a chip, and what a step takes.

    Args:
        found: what `pptp_jax.study.compile_for` gives.

    Returns:
        The table, as plain text.

    Examples:
        >>> pod = {"study": "mine", "topology": "v5e:2x2", "kind": "TPU v5 lite", "chips": 4}
        >>> rest = {"hosts": 1, "devices": 4, "data_devices": 1, "chip_bytes": 16 * 10**9}
        >>> text = render_chip_forecast({**pod, **rest, "models": 8, "recipes": [], "left_out": []})
        >>> print(text.splitlines()[0])
        mine: compiled for v5e:2x2, 4 TPU v5 lite of 16 GB each on 1 host; 8 models a recipe
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("recipe", "order"):
        table.add_column(column, no_wrap=True)
    for column in (*COLUMNS, "collectives"):
        table.add_column(column, justify="right")
    for recipe in found["recipes"]:
        table.add_row(recipe["slug"], recipe["order"], *_cells(recipe))
    memory = "unknown memory" if found["chip_bytes"] is None else size(found["chip_bytes"])
    hosts = "1 host" if found["hosts"] == 1 else f"{found['hosts']} hosts"
    heading = (
        f"{found['study']}: compiled for {found['topology']}, {found['chips']} {found['kind']} of "
        f"{memory} each on {hosts}; {found['models']} models a recipe"
    )
    shared = found["data_devices"]
    lines = [heading, plain_text(table, width=160)]
    if any(not recipe["fits"] for recipe in found["recipes"]):
        lines.append(
            "Where it does not fit, one model a chip is too large: take a smaller batch_size, a "
            "smaller model, or more --data-devices."
        )
    if found["left_out"]:
        lines.append(
            f"Not compiled: {', '.join(found['left_out'])}, whose region `auto` training finds."
        )
    lines.append(
        "A group is what one process trains at a time on its "
        + (f"{found['devices']} chips." if shared == 1 else f"teams of {shared} chips.")
        + " Memory, bytes and operations are the compiler's, for one chip; a step is that of the "
        "models beside it. Room is on the line through two compilations. Signals and attacks are "
        "not compiled, and no time is predicted."
    )
    return "\n".join([*lines, "Nothing was trained or written."])


def _cells(recipe: Mapping[str, Any]) -> list[str]:
    if not recipe["fits"]:
        return [str(recipe["at_a_time"]), "does not fit", *["-"] * 5]
    models = "1 model" if recipe["step_of"] == 1 else f"{recipe['step_of']} models"
    known = recipe["step_bytes"] is not None
    kinds = [f"{count} {kind}" for kind, count in sorted(recipe["collectives"].items()) if count]
    return [
        str(recipe["at_a_time"]),
        str(recipe["a_chip"]),
        _room(recipe["room"]),
        size(recipe["memory"]),
        f"{size(recipe['step_bytes'])} for {models}" if known else "n/a",
        _operations(recipe["step_operations"]) if known else "n/a",
        ", ".join(kinds) or "none",
    ]


def _room(models: int | None) -> str:
    if models is None:
        return "n/a"
    return str(models) if models <= 1000 else "over 1000"


def _operations(number: float) -> str:
    for unit in ("", " K", " M", " G"):
        if number < 1000:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g} T"
