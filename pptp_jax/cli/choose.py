"""`pptp choose`."""

import json
from pathlib import Path

import click

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.cli.options import json_option
from pptp_jax.cli.output import terminal_width


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@json_option
def choose(directory: Path, as_json: bool) -> None:
    """Say which setting of a tuning run to use.

    DIR is a run whose recipes have many settings: some protect a region, that is some layers; those
    that protect none are the rivals. Ranks the settings that protect one by how much more utility
    they keep than the best rival at the same AUC of the attack, and says which one to take to a run
    with another seed. Between settings of rivals it draws straight lines: their hull.
    """
    from pptp_jax.evaluation.choice import choose_setting
    from pptp_jax.report import render_choice

    with errors_as_sentences():
        found = choose_setting(directory)
    click.echo(
        json.dumps(found, indent=1, allow_nan=False)
        if as_json
        else render_choice(found, terminal_width())
    )
