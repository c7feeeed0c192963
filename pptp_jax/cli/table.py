"""`pptp table`."""

from pathlib import Path
from typing import cast

import click

from pptp_jax.cli.command_line import typed
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.cli.options import out_option
from pptp_jax.cli.output import log, terminal_width


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--target", required=True, help="The column to predict.")
@click.option(
    "--model",
    default="random_forest",
    show_default=True,
    help="random_forest, boosted_trees, logistic, mlp, or module:name of your own estimator.",
)
@click.option(
    "--models",
    type=int,
    default=16,
    show_default=True,
    help="How many are trained, each on half of the rows: even, at least 4; LiRA needs 6.",
)
@click.option("--id", "identity", help="The column that names the rows; no input.")
@click.option("--owner", help="The column that says whose each row is; no input.")
@click.option("--ignore", multiple=True, help="A column that no model sees; may be repeated.")
@click.option("--number", "numbers", multiple=True, help="A column of numbers; may be repeated.")
@click.option(
    "--category",
    "categories",
    multiple=True,
    help="A column of categories, whatever it looks like; may be repeated.",
)
@click.option(
    "--answer",
    type=click.Choice(["auto", "classes", "numbers"]),
    default="auto",
    show_default=True,
    help="What the target is.",
)
@out_option
@click.option("--attack", "attacks", multiple=True, help="Only this attack; may be repeated.")
@click.option(
    "--resamples",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Bootstrap resamples behind each interval.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Estimators fitted at a time (default: one a core); changes no number.",
)
def table(
    file: Path,
    target: str,
    model: str,
    models: int,
    identity: str | None,
    owner: str | None,
    ignore: tuple[str, ...],
    numbers: tuple[str, ...],
    categories: tuple[str, ...],
    answer: str,
    out: Path | None,
    attacks: tuple[str, ...],
    resamples: int,
    seed: int,
    jobs: int | None,
) -> None:
    """Train models on a CSV table and attack them.

    FILE is a CSV file with a header. Each model is trained on a random half of its rows and
    attacked with the others as its shadows. Prints how it reads each column, a table and a verdict;
    writes report.html, results.json, table.txt, roc.png, scores/ and combined/ into OUT, and
    README.md, which says what each file is.
    """
    import joblib

    from pptp_jax.audit import AuditReport, TableAudit, audit_table
    from pptp_jax.audit.table import TABLE_ATTACKS
    from pptp_jax.cli.interrupt import Interruption
    from pptp_jax.data import Table
    from pptp_jax.data.table import Answer
    from pptp_jax.evaluation.results import RunResults
    from pptp_jax.fleets import Runtime
    from pptp_jax.report import render_audit, render_table_verdict
    from pptp_jax.study.load import importable_beside

    directory = out or Path("runs") / file.stem
    options = {"target": target, "model": model, "models": models, "id": identity, "owner": owner}
    options |= {"ignore": ignore, "number": numbers, "category": categories, "answer": answer}
    command = typed("table", file, **options, attack=attacks, resamples=resamples, seed=seed)
    interruption = Interruption()
    with (
        errors_as_sentences(resumable=True, code=lambda: interruption.exit_code),
        importable_beside(Path("here")),
        interruption,
    ):
        data = Table(
            file,
            target=target,
            id=identity,
            owner=owner,
            ignore=ignore,
            numbers=numbers,
            categories=categories,
            answer=cast("Answer", answer),
        )
        chosen = TableAudit(
            data=data,
            model=model,
            models=models,
            attacks=attacks or TABLE_ATTACKS,
            resamples=resamples,
            seed=seed,
        )
        results = audit_table(
            chosen,
            AuditReport(directory, file.stem, command),
            jobs=jobs or joblib.cpu_count(),
            runtime=Runtime(log=log, stop=interruption.requested),
        )
    found = RunResults.from_json(results)
    width = terminal_width()
    click.echo(render_audit(found, width))
    if errors := results["config"].get("mean_squared_error"):
        click.echo(
            f"mean squared error: {errors['members']:.4g} on members, {errors['nonmembers']:.4g} "
            "on non-members"
        )
    click.echo(f"\n{render_table_verdict(found, width)}\n")
    page = directory / "report.html"
    spent = f"{results['seconds']:.0f} s on {results['device']}"
    click.echo(f"{spent}; the report is {page} (table.txt: all columns)")
