"""The options for several processes that share the work of a command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pptp_jax.distributed.processes import Processes


@contextmanager
def shared_work(
    distributed: bool,
    coordinator: str | None,
    processes: int | None,
    process: int | None,
    patience: float,
    together: bool = False,
) -> Iterator["Processes"]:
    """The processes that an invocation asks for."""
    from pptp_jax.distributed.join import joined
    from pptp_jax.distributed.processes import Processes

    explicit = coordinator, processes, process
    if not distributed and explicit == (None, None, None):
        yield Processes()
        return
    if distributed and explicit != (None, None, None):
        raise click.UsageError(
            "--distributed finds the processes in the environment; leave it out, or leave out "
            "--coordinator, --processes and --process"
        )
    if not distributed and None in explicit:
        raise click.UsageError("--coordinator, --processes and --process go together")
    host, _, port = (coordinator or "here:1").rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise click.UsageError(
            f"--coordinator is HOST:PORT, with a port from 1 to 65535, got {coordinator!r}"
        )
    if process is not None and processes is not None and process >= processes:
        raise click.UsageError(
            f"--process counts from 0, so it is at most {processes - 1} of {processes} processes, "
            f"got {process}"
        )
    with joined(*explicit, patience=patience, together=together) as shared:
        yield shared
