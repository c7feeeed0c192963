"""The arguments and options that several commands take."""

from pathlib import Path

import click

study_argument = click.argument("study", type=click.Path(path_type=Path))
data_option = click.option("--data", type=click.Path(path_type=Path), help="Where the data lie.")
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Default: runs/NAME, of the file's study, audit or signals.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="For machines: JSON.")
