"""The group of all commands."""

import os
from typing import Any

import click

from pptp_jax.cli.audit import audit
from pptp_jax.cli.canaries import canaries
from pptp_jax.cli.choose import choose
from pptp_jax.cli.compare import compare
from pptp_jax.cli.doctor import doctor
from pptp_jax.cli.ledger import ledger
from pptp_jax.cli.list import list_
from pptp_jax.cli.locate import locate
from pptp_jax.cli.new import new
from pptp_jax.cli.output import safe_output
from pptp_jax.cli.report import report
from pptp_jax.cli.run import run
from pptp_jax.cli.screen import screen
from pptp_jax.cli.search import search
from pptp_jax.cli.table import table


class _Group(click.Group):
    def main(self, *args: Any, **kwargs: Any) -> Any:
        with safe_output():
            return super().main(*args, **kwargs)


@click.group(
    cls=_Group,
    commands=[
        *(new, run, search, locate, canaries, screen, audit, table),
        *(report, compare, choose, ledger, list_, doctor),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="pptp-jax")
@click.option(
    "--cache/--no-cache",
    default=True,
    help="Keep compiled programs and measured strategies for the next run, in the user's cache "
    "directory (the default); $JAX_COMPILATION_CACHE_DIR puts the programs elsewhere.",
)
@click.pass_context
def main(context: click.Context, cache: bool) -> None:
    """Train models that leak less about their training data, and measure what leaks.

    To begin: `pptp run quickstart` trains small networks on digits, attacks them, and writes a
    report, in half a minute on two CPU cores.
    """
    # JAX reads these when it is imported, which no command has done yet.
    if not cache:
        os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
        return
    from platformdirs import user_cache_path

    context.obj = user_cache_path("pptp_jax")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(context.obj / "compiled"))
    # A study compiles many programs of less than the second from which JAX would keep one.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
