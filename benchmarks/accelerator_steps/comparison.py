"""Ours over PyTorch, from rows of steps that ran one after the other."""

from collections.abc import Sequence
from typing import Any

SPEED = "examples/s"


def over_pytorch(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How much faster each of our ways is than PyTorch's fastest, fleet by fleet.

    They were not timed in turn, so the quartiles are as far apart as both together allow: our lower
    quartile over PyTorch's upper one, and the other way round.

    Args:
        rows: those of all steps, named `FLEET: WAY`.
    """
    speeds = [row for row in rows if row["unit"] == SPEED]
    found = []
    for row in speeds:
        fleet, _, way = row["name"].partition(": ")
        rivals = [
            other
            for other in speeds
            if other["name"].startswith((f"{fleet}: PyTorch", f"{fleet}: torch"))
        ]
        if not rivals or not way.startswith("ours"):
            continue
        best = max(rivals, key=lambda rival: float(rival["value"]))
        found.append(
            {
                "name": f"{row['name']}, speed over PyTorch's best",
                "value": row["value"] / best["value"],
                "low": row["low"] / best["high"],
                "high": row["high"] / best["low"],
                "unit": "x",
                "baseline": best["name"].partition(": ")[2],
            }
        )
    return found
