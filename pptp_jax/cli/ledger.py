"""`pptp ledger`."""

import json
from pathlib import Path
from typing import Any

import click

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.cli.options import json_option


@click.command()
@click.argument("budgets", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--batch-size", type=float, required=True, help="Examples in a batch, on average.")
@click.option("--steps", type=click.IntRange(min=1), required=True, help="Steps of the training.")
@click.option("--delta", type=float, help="δ of all budgets.  [default: 1 / (10 · examples)]")
@click.option(
    "--by",
    type=click.Choice(["sampling", "clipping"]),
    default="sampling",
    show_default=True,
    help="Whether an example's budget decides how often it is drawn or how far it is clipped.",
)
@click.option("--max-divergence", type=float, help="Δ that each contract allows.")
@click.option(
    "--accountant",
    type=click.Choice(["rdp", "pld"]),
    default="rdp",
    show_default=True,
    help="What counts an ε: pld is tighter and takes longer.",
)
@json_option
def ledger(
    budgets: Path,
    batch_size: float,
    steps: int,
    delta: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compute privacy budgets of single examples.

    BUDGETS is a CSV file with a column `epsilon`, and one `examples` where a line stands for
    several, or an .npz file with an array `epsilon`. Prints the noise, the rate and the norm of
    each budget's examples, their excess vulnerability by the others, and which contracts are
    broken. Trains nothing and writes nothing.
    """
    from pptp_jax.audit import budget_report, read_budgets
    from pptp_jax.report import render_budgets

    with errors_as_sentences():
        epsilons = read_budgets(budgets)
        found = budget_report(
            epsilons,
            delta=1 / (10 * len(epsilons)) if delta is None else delta,
            expected_batch_size=batch_size,
            steps=steps,
            **options,
        )
    shown = render_budgets(found)
    click.echo(json.dumps(found, indent=1, allow_nan=False) if as_json else shown)
