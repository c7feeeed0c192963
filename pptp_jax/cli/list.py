"""`pptp list`."""

import json

import click

from pptp_jax.cli.options import json_option

# Spelt out here, so that completion imports nothing slow; a test compares.
SECTIONS = ("recipes", "objectives", "attacks", "models", "tasks", "data", "regions")


@click.command("list")
@click.argument("sections", nargs=-1, type=click.Choice(SECTIONS))
@json_option
def list_(sections: tuple[str, ...], as_json: bool) -> None:
    """List ways to train, attacks, models, data.

    A recipe is a way to train, a region a part of a network.

    Sections: recipes, objectives, attacks, models, tasks, data, regions. Without SECTIONS, all.
    """
    from rich.console import Console

    from pptp_jax.cli.catalogue import catalogue
    from pptp_jax.report.catalogue import catalogue_tables

    known = catalogue()
    chosen = {name: known[name] for name in sections or known}
    if as_json:
        click.echo(json.dumps(chosen, indent=1))
    else:
        Console().print(catalogue_tables(chosen))
