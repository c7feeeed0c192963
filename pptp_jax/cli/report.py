"""`pptp report`."""

from pathlib import Path

import click

from pptp_jax.cli.errors import errors_as_sentences


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def report(directory: Path) -> None:
    """Rebuild the report of a run.

    Trains nothing; writes report.html, one file for people, and report.json, the same for machines.
    """
    from pptp_jax.report import write_report

    with errors_as_sentences():
        page = write_report(directory)
    click.echo(page)
