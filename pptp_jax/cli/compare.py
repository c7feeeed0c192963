"""`pptp compare`."""

import json
from pathlib import Path

import click

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.cli.options import json_option
from pptp_jax.cli.output import terminal_width

_DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("a", type=_DIRECTORY)
@click.argument("b", type=_DIRECTORY)
@json_option
def compare(a: Path, b: Path, as_json: bool) -> None:
    """Compare two runs on the same data.

    Prints accuracy and attacks of both, in what they are set differently, and, where they have the
    same members, what one keeps more than the other at equal attack strength.
    """
    from pptp_jax.evaluation.compare_runs import compare_runs
    from pptp_jax.report import render_runs

    with errors_as_sentences():
        found = compare_runs(a, b)
    shown = render_runs(found, terminal_width())
    click.echo(json.dumps(found, indent=1, allow_nan=False) if as_json else shown)
