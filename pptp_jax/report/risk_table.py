"""The table of a risk map, for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from pptp_jax.report.plain_text import plain_text

WAYS = {
    "rewind": "rewound to its initial values",
    "rewind_early": "rewound to an early checkpoint",
    "graft": "grafted from the defended network",
    "retrain": "retrained alone with the defence",
}
ATTACKS = {"loss": "LOSS", "lira_online": "LiRA", "rmia_online": "RMIA"}


def render_risk_map(risks: Mapping[str, Any]) -> str:
    """One line a block and cut for each modification, and the choice that follows.

    Args:
        risks: the content of `risk_map.json`.

    Returns:
        The table with a heading and notes, as plain text.
    """
    setting = risks["setting"]
    strength = "" if setting["strength"] is None else f" {setting['strength']:g}"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("region", "parameters"):
        table.add_column(column, no_wrap=True, justify="left" if column == "region" else "right")
    table.add_column("what is done", no_wrap=True)
    for column in ("accuracy", "loss gap", *ATTACKS.values(), "gradient norm"):
        table.add_column(column, justify="right", no_wrap=True)
    for name in ("undefended", "defended"):
        table.add_row(f"whole, {name}", "", "", *_cells(risks[name], sign=""), "")
    table.add_section()
    longer = [cut for cut in risks["cuts"] if len(cut["blocks"]) > 1]
    for part in (*risks["blocks"], *longer):
        name = part.get("name") or f"{part['blocks'][0]}..{part['blocks'][-1]}"
        leakage = part.get("gradient_norm_auc")
        for i, (way, change) in enumerate(part["changes"].items()):
            first = (name, f"{part['parameters']:,}") if i == 0 else ("", "")
            last = _cell(leakage, "") if i == 0 and leakage else ""
            table.add_row(*first, way.replace("_", " "), *_cells(change, sign="+"), last)
        table.add_section()
    heading = (
        f"{risks.get('study', 'risk map')}: {setting['models']} models of {setting['members']} "
        f"members each, {setting['epochs']} epochs; defence {setting['defence']}{strength}"
    )
    explained = (
        "Changes against the undefended fleet. LOSS, LiRA, RMIA: AUC of the attack; gradient norm: "
        "AUC of the norm of the block's gradient; ±: the wider side of the 95 % interval; rewind: "
        f"to the initial values; rewind early: to those after {setting['early']} epochs; graft: "
        "from the defended fleet; retrain: alone with the defence"
    )
    auto = [f"auto: {risks['auto']['explanation']}"] if "auto" in risks else []
    return plain_text(heading, table, explained, *auto)


def _cells(found: Mapping[str, Any], sign: str) -> list[str]:
    parts = [found["accuracy"], found["loss_gap"], *(found["auc"][name] for name in ATTACKS)]
    return [_cell(part, sign) for part in parts]


def _cell(estimate: Mapping[str, float | None], sign: str) -> str:
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None or low is None or high is None:
        return "n/a"
    return f"{value:{sign}.3f} ±{max(high - value, value - low):.3f}"
