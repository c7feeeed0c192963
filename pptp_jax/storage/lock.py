"""Lock a directory for one process; a second one is refused, with the name of the first."""

import errno
import fcntl
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pptp_jax.validation import Refused

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Locks a directory for this process, and creates it if it is missing.

    The kernel releases the lock when the process ends, however it ends. The file `.lock` stays.

    Args:
        directory: the directory that no second process may write into.

    Raises:
        ValueError: if another process holds it.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name, held(Path(name)):
        ...     with held(Path(name)):
        ...         pass
        Traceback (most recent call last):
        pptp_jax.validation.Refused: ... is in use by process ... on ...; wait for it, or ...
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read() or "another process"
            raise Refused(
                f"{directory} is in use by {holder}; wait for it, or give another directory"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            warnings.warn(
                f"the file system of {directory} has no locks, so nothing keeps a second run out "
                f"of it",
                stacklevel=3,
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
