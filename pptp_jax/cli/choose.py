"""`pptp choose`."""

import json
from pathlib import Path

import click

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.cli.options import json_option


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@json_option
def choose(directory: Path, as_json: bool) -> None:
    """Rank the settings of a tuning run.

    Says of each setting with a region by how much it lies above the hull of the tuned rivals, which
    are all recipes without one, at its own attack strength, and which setting to take to a fleet of
    another seed.
    """
    from pptp_jax.evaluation.choice import choose_setting
    from pptp_jax.report import render_choice

    with errors_as_sentences():
        found = choose_setting(directory)
    click.echo(json.dumps(found, indent=1, allow_nan=False) if as_json else render_choice(found))
