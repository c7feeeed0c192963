"""`pptp screen`."""

import json
from pathlib import Path

import click

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.cli.options import json_option

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("answers", type=_FILE, nargs=-1, required=True)
@click.option("--parameters", type=click.IntRange(min=1), help="How many the model has.")
@click.option(
    "--identifying",
    type=click.IntRange(min=0),
    multiple=True,
    help="A column of `inputs` that somebody may know of a person, counted from 0; repeatable.",
)
@click.option(
    "--resamples",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Bootstrap resamples behind each interval.",
)
@json_option
def screen(
    answers: tuple[Path, ...],
    parameters: int | None,
    identifying: tuple[int, ...],
    resamples: int,
    as_json: bool,
) -> None:
    """Check one trained model before an audit.

    ANSWERS are .npz files with the answers of one model, its `membership`, and `labels` and
    `inputs` where there are any, as `pptp audit` takes them. Trains nothing and writes nothing:
    prints the generalisation gap, the loss attack and its tail, and whether members can be
    distinguished without the model.
    """
    from pptp_jax.audit import read_given, screen_signals
    from pptp_jax.report import render_screen

    with errors_as_sentences():
        given = read_given(*dict.fromkeys(answers))
        found = screen_signals(
            **given, parameters=parameters, identifying=identifying, resamples=resamples
        )
    shown = render_screen(found, answers[0].stem)
    click.echo(json.dumps(found, indent=1, allow_nan=False) if as_json else shown)
