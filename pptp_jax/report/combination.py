"""The table of all attacks together, for a terminal."""

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.results import RunResults
from pptp_jax.report.plain_text import WIDE, plain_text
from pptp_jax.report.simple_table import simple_table
from pptp_jax.report.table import cell

MOST = 3


def render_combined(results: RunResults, width: int = WIDE) -> str:
    """One line a recipe: what its attacks achieve together; empty if they were not combined.

    Args:
        results: of a run.
        width: that of a line; below 200 there are fewer columns.

    Examples:
        >>> from pptp_jax.evaluation import RecipeResult
        >>> render_combined(RunResults(rows=(RecipeResult(slug="a"),)))
        ''
    """
    rows = [(row, row.combined) for row in results.rows if row.combined is not None]
    if not rows:
        return ""
    columns = ["AUC", "TPR@1%", f"AUC over {attack_name(results.compared)}"]
    if width >= WIDE:
        columns += ["over the strongest", "Brier score", "of the base rate"]
    table = simple_table(["attacks together"], columns)
    if width >= WIDE:
        table.add_column("largest shares")
    for row, found in rows:
        gains, metrics = found["gains"], found["metrics"]
        *_, strongest = gains
        shares = sorted(found["shares"].items(), key=lambda share: -share[1])
        cells = (
            row.slug,
            cell(metrics["auc"]),
            cell(metrics["tpr@0.01"]),
            cell(gains[results.compared]["auc"]) if results.compared in gains else "n/a",
            cell(gains[strongest]["auc"]),
            cell(found["brier"]["score"]),
            f"{found['brier']['uncertainty']:.3f}",
            ", ".join(f"{attack_name(name)} {share:.2f}" for name, share in shares[:MOST]),
        )
        table.add_row(*cells[: len(table.columns)])
    return plain_text(
        table,
        "Attacks together: one probability of membership a record, fitted for each target on other "
        "models and other records; combined/ has it. Recipes are not compared by it",
        width=width,
    )
