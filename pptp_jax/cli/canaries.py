"""`pptp canaries`."""

from pathlib import Path

import click

from pptp_jax.cli.command_line import typed
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.cli.options import data_option, out_option


@click.command()
@click.argument("audit", type=click.Path(path_type=Path))
@data_option
@out_option
@click.option(
    "--resume/--no-resume", default=True, help="Go on from what OUT holds already (the default)."
)
def canaries(audit: Path, data: Path | None, out: Path | None, resume: bool) -> None:
    """Test a privacy budget ε by planted records.

    AUDIT is a Python file that defines `audit`. Records are planted in some of the runs (canaries);
    how well an attacker guesses in which bounds ε from below.

    The audit is a CanaryAudit, a GradientCanaryAudit of DP-SGD, or a TextCanaryAudit of language
    models, which measures exposure and extraction as well.

    Prints a table; writes report.html, audit.json, audit.txt and scores/ into OUT, and README.md,
    which says what each file is.
    """
    from dataclasses import replace
    from typing import cast

    from pptp_jax.audit import CanaryAudit, GradientCanaryAudit, TextCanaryAudit, run_canaries
    from pptp_jax.cli.interrupt import Interruption
    from pptp_jax.data import moved
    from pptp_jax.fleets import Runtime
    from pptp_jax.report import render_canaries, write_report
    from pptp_jax.report.progress import progress_bar
    from pptp_jax.storage.files import write
    from pptp_jax.study.load import importable_beside, load_defined

    interruption = Interruption()
    with (
        errors_as_sentences(resumable=True, code=lambda: interruption.exit_code),
        importable_beside(audit),
    ):
        kinds = (CanaryAudit, GradientCanaryAudit, TextCanaryAudit)
        defined = load_defined(audit, "audit", *kinds)
        chosen = cast("CanaryAudit | GradientCanaryAudit | TextCanaryAudit", defined)
        if data is not None:
            chosen = replace(chosen, data=moved(chosen.data, data))
        directory = out or Path("runs") / chosen.name
        with interruption, progress_bar(chosen.recipes, chosen.runs) as on_progress:
            results = run_canaries(
                chosen,
                directory,
                command=typed("canaries", audit, data=data),
                runtime=Runtime(
                    resume=resume, on_progress=on_progress, stop=interruption.requested
                ),
            )
    with errors_as_sentences():
        table = render_canaries(results)
        write(directory / "audit.txt", lambda file: file.write(table.encode() + b"\n"))
        page = write_report(directory)
    click.echo(table)
    click.echo(f"{results['seconds']:.0f} s on {results['device']}; the report is {page}")
