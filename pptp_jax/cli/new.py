"""`pptp new`."""

import re
from pathlib import Path

import click

from pptp_jax.cli.errors import errors_as_sentences

# The embedded study, which nothing imports before it is run.
TEMPLATE = Path(__file__).parents[1] / "study" / "quickstart.py"


@click.command()
@click.argument("name")
def new(name: str) -> None:
    """Write an example study, for you to change.

    The file NAME.py is the embedded study `quickstart` with comments. `pptp run NAME.py` runs it.
    """
    from pptp_jax.validation import Refused

    with errors_as_sentences():
        stem = name.removesuffix(".py")
        if not re.fullmatch(r"[A-Za-z_]\w*", stem):
            raise Refused(f"a study's name has letters, digits and underscores, got {name!r}")
        path = Path(f"{stem}.py")
        text = TEMPLATE.read_text(encoding="utf-8")
        text = text.replace("pptp_jax.study.config", "pptp_jax.study")
        text = text.replace("pptp run quickstart", f"pptp run {path}")
        text = text.replace('name="quickstart"', f'name="{stem}"')
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise Refused(f"{path} is there already; choose another name") from None
    click.echo(f"{path} is a study of 4 recipes on digits. Change it, then: pptp run {path}")
