"""What leaks of a table's models, a next step, and what was judged."""

from collections.abc import Mapping

from rich.table import Table

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.results import RecipeResult, RunResults
from pptp_jax.report.leak import leak, share
from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.summary import NARROWEST, WIDEST

# What memorises less than each model that `pptp table` has a name for.
LESS = {
    "random_forest": "larger leaves (min_samples_leaf=10) or --model logistic",
    "boosted_trees": "fewer rounds (max_iter=20) or --model logistic",
    "logistic": "stronger regularisation (a smaller C, or a larger alpha of Ridge)",
    "mlp": "a study of this table, which compares defences (pptp run)",
}
_FINISHED = (
    "pptp screen looks at one alone, pptp audit attacks it with shadows, models trained alike"
)


def is_table(results: RunResults) -> bool:
    """Whether these are the results of `pptp table`, and not of a study of a table.

    Examples:
        >>> is_table(RunResults(rows=(), config={"data": {"type": "Table"}}, study="mine"))
        False
    """
    data = results.config.get("data")
    of_table = isinstance(data, Mapping) and data.get("type") == "Table"
    return of_table and [row.slug for row in results.rows] == ["given"]


def render_table_verdict(results: RunResults, width: int = WIDEST) -> str:
    """Whether the models leak and how sure that is, what to do next, and what was judged.

    Args:
        results: of an audit of a table.
        width: that of the terminal, in characters; between 80 and 100 of them are used.

    Returns:
        Plain text.

    Examples:
        >>> from pptp_jax.evaluation import AttackResult
        >>> from pptp_jax.metrics import Estimate
        >>> found = {"loss": AttackResult({"auc": Estimate(0.72, 0.69, 0.75)})}
        >>> row = RecipeResult(slug="given", recipe="random_forest", attacks=found)
        >>> known = {"compared": "loss", "models": 16, "data": {"name": "people.csv"}}
        >>> print(render_table_verdict(RunResults(rows=(row,), **known)).splitlines()[0])
        What leaks   Membership: LOSS gives a member the higher score in 72 % [69, 75] of pairs...
    """
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    for title, sentence in table_verdict(results).items():
        table.add_row(title, sentence)
    return plain_text(table, width=min(max(width, NARROWEST), WIDEST))


def table_verdict(results: RunResults) -> dict[str, str]:
    """The sentences of `render_table_verdict` by their titles."""
    [row] = results.rows
    auc = row.attack(results.compared).auc
    leaks = auc.low is not None and auc.low > 0.5
    less = LESS.get(row.recipe, "a smaller or more strongly regularised model")
    return {
        "What leaks": _verdict(row, results.compared),
        "Next": (
            f"Try {less}, with another --out, and see whether less leaks (docs/choose.md)."
            if leaks
            else f"Check the finished model that you release: {_FINISHED}."
        ),
        "Note": (
            f"This judges a way of training: {row.recipe} on random halves of "
            f"{results.data['name']}, by {results.models} models. It judges no finished model"
            + (f"; {_FINISHED}." if leaks else ".")
        ),
    }


def _verdict(row: RecipeResult, compared: str) -> str:
    auc = row.attack(compared).auc
    mind = " Mind the warnings." if row.warnings else ""
    if auc.low is None:
        return f"Nothing can be said: {attack_name(compared)} has no AUC on these rows.{mind}"
    found = leak(row, compared)
    if auc.low > 0.5:
        guess = "50 % of pairs" + ", 1 % of the members" * (" and finds " in found)
        return f"Membership: {found}. That is clearly more than a guess ({guess}).{mind}"
    known = {name: own.auc for name, own in row.attacks.items() if own.auc.low is not None}
    strongest = max(known, key=lambda name: known[name].low or 0.0)
    if (known[strongest].low or 0.0) > 0.5:
        return (
            f"Perhaps membership: {found}, no better than a guess; "
            f"{attack_name(strongest)} does so in {share(known[strongest])}, the surest of "
            f"{len(known)} attacks, in part by luck.{mind}"
        )
    return (
        f"No leak was found: {found}, no better than a guess. That proves nothing: another attack "
        f"may find more.{mind}"
    )
