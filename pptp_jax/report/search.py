"""The trials of a search, for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.schema import typed
from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.table import cell


def render_search(results: Mapping[str, Any]) -> str:
    """One line a trial, then the choice on the fresh fleet and what the choice cost.

    Args:
        results: the content of `search.json`.

    Returns:
        The table and the sentences, as plain text.

    Examples:
        >>> found = {"study": "mine", "compared": "loss", "utility_name": "accuracy"}
        >>> found |= {"trials": [], "chosen": [], "sentences": ["Every trial diverged."]}
        >>> print(render_search(found).splitlines()[-1])
        Every trial diverged.
    """
    found = typed(results)
    attack = attack_name(found["compared"])
    taken = {own["trial"] for own in found["chosen"]}
    margins = any(own["margin"] is not None for own in found["trials"])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("recipe", no_wrap=True)
    titles = [f"test {found['utility_name']}", f"{attack} AUC", *(["margin"] if margins else [])]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    for own in found["trials"]:
        numbers = [own["utility"], own["auc"], *([own["margin"]] if margins else [])]
        cells = ["n/a" if number is None else cell(number) for number in numbers]
        mark = "chosen" if own["trial"] in taken else ""
        table.add_row(str(own["trial"]), own["recipe"], *cells, mark)
    heading = f"{found['study']}: a search of {len(found['trials'])} trials"
    return "\n".join([plain_text(heading, table), *found["sentences"]])
