"""The table of what attacks achieve on owners of several records, for a terminal."""

from rich.table import Table

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.results import RunResults
from pptp_jax.metrics import UNRESOLVED
from pptp_jax.report.attacks import render_attacks
from pptp_jax.report.combination import render_combined
from pptp_jax.report.other_questions import render_other
from pptp_jax.report.plain_text import WIDE, plain_text
from pptp_jax.report.simple_table import simple_table
from pptp_jax.report.summary import NARROWEST
from pptp_jax.report.table import cell

SHOWN = (("AUC", "auc"), ("TPR@1%", "tpr@0.01"))
JOINS = ("mean", "maximum", "sum")


def render_owners(results: RunResults, width: int = WIDE) -> str:
    """One line an attack: its AUC by record, and by owner in each way of joining scores.

    Args:
        results: of a run; without owners there is nothing to tell.
        width: that of a line; below 200 there are fewer columns.

    Examples:
        >>> from pptp_jax.evaluation import RecipeResult
        >>> render_owners(RunResults(rows=(RecipeResult(slug="a"),)))
        ''
    """
    parts: list[Table | str] = []
    for row in results.rows:
        found = row.owners
        if found is None:
            continue
        shown = SHOWN if width >= WIDE else SHOWN[:1]
        columns = [f"{title}, {join}" for title, _ in shown for join in JOINS]
        table = simple_table(["by owner"], ["AUC by record", *columns])
        for name, by_join in found["attacks"].items():
            cells = [
                cell(by_join[join].get(metric, UNRESOLVED)) if join in by_join else "-"
                for _, metric in shown
                for join in JOINS
            ]
            table.add_row(attack_name(name), cell(row.attack(name).auc), *cells)
        parts += [
            table,
            f"By owner: {found['owners']} owners of {found['least']} to {found['most']} records, "
            f"median {found['median']:g}; an owner's score is the mean, the maximum or, of "
            "log-likelihood ratios, the sum of those of its records. The number of records alone "
            f"has AUC {cell(found['size'])}",
        ]
    return plain_text(*parts, width=width)


def render_audit(results: RunResults, width: int = WIDE) -> str:
    """All tables of an audit of given signals, one below the other.

    Args:
        results: of one row.
        width: that of a line, at least 80; below 200 the tables have fewer columns.

    Examples:
        >>> from pptp_jax.evaluation import RecipeResult
        >>> one = RunResults(rows=(RecipeResult(slug="given"),), data={"examples": 9}, study="mine")
        >>> render_audit(one).splitlines()[0]
        'mine: None models, None of them attacked, on 9 examples'
    """
    width = max(width, NARROWEST)
    tables = [show(results, width) for show in (render_attacks, render_combined, render_owners)]
    other = render_other(results)
    return "\n".join(filter(None, [*tables, other and plain_text(other, width=width)]))
