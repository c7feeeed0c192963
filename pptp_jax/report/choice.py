"""The ranking of a run's settings, for a terminal."""

from collections.abc import Mapping
from typing import Any

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.schema import typed
from pptp_jax.report.comparison import gain_cells
from pptp_jax.report.plain_text import WIDE, plain_text
from pptp_jax.report.simple_table import simple_table
from pptp_jax.report.table import cell


def render_choice(found: Mapping[str, Any], width: int = WIDE) -> str:
    """One line a setting with its margin over the hull of the rivals, then what to take.

    Args:
        found: what `pptp_jax.evaluation.choice.choose_setting` gives.
        width: that of the terminal, in characters.

    Returns:
        The table and the sentence, as plain text.

    Examples:
        >>> found = {"attack": "loss", "measure": "accuracy", "gain": "points more"}
        >>> print(render_choice(found | {"ranking": [], "sentence": "Take ..."}).splitlines()[-1])
        Take ...
    """
    attack = attack_name(found["attack"])
    titles = ("stop", f"{attack} AUC", f"test {found['measure']}", found["gain"], "95 % interval")
    table = simple_table(["recipe"], titles)
    for setting in typed(found["ranking"]):
        stop = "-" if setting["stop"] is None else str(setting["stop"])
        estimates = cell(setting["strength"]), cell(setting["utility"])
        margin = gain_cells(setting["margin"], found["gain"])
        table.add_row(setting["recipe"], stop, *estimates, *margin)
    return plain_text(table, found["sentence"], width=width)
