"""`pptp search`."""

from pathlib import Path

import click

from pptp_jax.cli.command_line import typed
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.cli.options import data_option, out_option
from pptp_jax.cli.output import log


@click.command()
@click.argument("search", type=click.Path(path_type=Path))
@data_option
@out_option
@click.option("--trials", type=click.IntRange(min=1), help="How many; default: the search's.")
@click.option(
    "--resume/--no-resume", default=True, help="Go on from what OUT holds already (the default)."
)
def search(
    search: Path, data: Path | None, out: Path | None, trials: int | None, resume: bool
) -> None:
    """Tune a way to train; attack every trial.

    SEARCH is a Python file that defines `search`. Each trial trains and attacks several models. The
    choice is reported on fresh models, with what it cost. Needs the extra `search` (optuna).

    Prints a table; writes search.json, table.txt and fresh/, a run of its own, into OUT, and
    README.md, which says what each file is.
    """
    from dataclasses import replace

    from pptp_jax import report
    from pptp_jax import study as studies
    from pptp_jax.cli.interrupt import Interruption
    from pptp_jax.data import moved
    from pptp_jax.evaluation.run_files import read_study_results
    from pptp_jax.fleets import Runtime
    from pptp_jax.storage.files import write
    from pptp_jax.study.load import importable_beside, load_defined

    interruption = Interruption()
    with (
        errors_as_sentences(resumable=True, code=lambda: interruption.exit_code),
        importable_beside(search),
    ):
        chosen = load_defined(search, "search", studies.Search)
        if data is not None:
            place = moved(chosen.study.data, data)
            chosen = replace(chosen, study=replace(chosen.study, data=place))
        if trials is not None:
            chosen = replace(chosen, trials=trials)
        directory = out or Path("runs") / chosen.study.name
        with interruption:
            results = studies.run_search(
                chosen,
                directory,
                command=typed("search", search, data=data, trials=trials),
                runtime=Runtime(resume=resume, stop=interruption.requested, log=log),
            )
    table = report.render_search(results)
    with errors_as_sentences():
        write(directory / "table.txt", lambda file: file.write(table.encode() + b"\n"))
        if results["chosen"]:
            fresh = read_study_results(directory / "fresh")
            report.draw_figures(fresh, directory / "fresh")
            report.write_report(directory / "fresh")
    click.echo(table)
    click.echo(f"{results['seconds']:.0f} s on {results['device']}; results in {directory}")
