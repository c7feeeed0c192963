"""The arguments and options that several commands take."""

from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import click


class _Directory(click.Path):
    """A directory to write into; the empty name, of a shell's unset variable, is not this one."""

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> Any:
        if value == "":
            self.fail("the name of the directory is empty", parameter, context)
        return super().convert(value, parameter, context)


class _StudyArgument(click.Argument):
    """STUDY; without it the command says what a study is and offers one."""

    def process_value(self, context: click.Context, value: Any) -> Any:
        if self.value_is_missing(value) and not context.resilient_parsing:
            command = f"pptp {context.info_name}"
            raise click.UsageError(
                "STUDY is missing: a Python file that defines `study`.\n\n"
                f"  {command} quickstart    the embedded study: half a minute on two CPU cores\n"
                "  pptp new mine          writes mine.py, a study to change\n"
                f"  {command} mine.py",
                context,
            )
        return super().process_value(context, value)


study_argument = click.argument("study", cls=_StudyArgument, type=click.Path(path_type=Path))
data_option = click.option("--data", type=click.Path(path_type=Path), help="Path of the data.")
out_option = click.option(
    "--out",
    type=_Directory(path_type=Path, file_okay=False),
    help="Output directory (default: runs/NAME, with the name of the study or audit).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="For machines: JSON.")


def recipe_option(help: str) -> Callable[..., Any]:
    """`--recipe`, completed by the recipes of the study that was given before it.

    Args:
        help: what the command takes it for.
    """
    return click.option(
        "--recipe", "recipes", multiple=True, help=help, shell_complete=_recipes_of_study
    )


def _recipes_of_study(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """What a shell can offer; nothing, without a word, where there is no study to be read."""
    # Without its value `--recipe` is a mistake, behind which click leaves arguments unread.
    study = context.params.get("study") or next(iter(context.args), None)
    if study is None:
        return []
    from pptp_jax.study.study_file import load_study, recipe_names

    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # whatever the file may print
        try:
            names = recipe_names(load_study(Path(study).expanduser()))
        except ValueError:
            return []
    return [name for name in names if name.startswith(begun)]
