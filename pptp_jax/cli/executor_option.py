"""The executor to which an invocation hands the groups of its fleets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from pptp_jax.cli.output import log


class _EngineName(click.ParamType):
    """The name of an engine; one that is none is refused before anything starts."""

    name = "engine"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> Any:
        from pptp_jax.distributed.engines import parsed

        try:
            parsed(value)
        except ValueError as error:
            self.fail(str(error), parameter, context)
        return value


executor_option = click.option(
    "--executor",
    type=_EngineName(),
    metavar="ENGINE",
    help="Hand groups of models to workers: dask:HOST:PORT, dask:local, dask:N or processes:N.",
)


@contextmanager
def own_workers(name: str | None) -> Iterator[dict[str, Any]]:
    """What a runtime takes to hand groups to an engine while it is at work; nothing without one.

    Args:
        name: as `pptp_jax.distributed.engines.parsed` takes it; None trains in this process.
    """
    from pptp_jax.distributed.engines import engine

    if name is None:
        yield {}
        return
    with engine(name) as own:
        log(f"{name}: {own.workers} worker{'s' * (own.workers != 1)}")
        yield own._asdict()
