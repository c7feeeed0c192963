"""A group as a task for a worker: one shared file for a fleet, and a small order a task.

A worker reads and writes the fleet's own directory, so the order is plain data. The fleet itself,
with a user's models and functions, lies in that directory, pickled by value. Whatever happens to a
group comes back as plain data as well: an exception means that the worker was lost.
"""

import hashlib
import pickle
import shutil
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from pptp_jax.fleets.fingerprint import fingerprint
from pptp_jax.fleets.group import GroupTraining, PlannedFleet, opened
from pptp_jax.fleets.shards import shard
from pptp_jax.fleets.shared_phases import Sharing
from pptp_jax.fleets.spec import FleetSpec, Runtime
from pptp_jax.storage.files import write
from pptp_jax.storage.lock import held
from pptp_jax.storage.provenance import provenance
from pptp_jax.validation import Refused

MARK = "running-"  # and a name of the run's own: while such a file is there, its workers go on
_FILE, _LOCKS = "tasks.pkl", "locks"
_POLL = 0.5  # seconds
# Those of JAX's settings that change a number, by the context that sets them.
_NUMBERS: dict[str, Any] = {
    "jax_enable_x64": jax.enable_x64,
    "jax_default_matmul_precision": jax.default_matmul_precision,
    "jax_default_prng_impl": jax.default_prng_impl,
    "jax_threefry_partitionable": jax.threefry_partitionable,
}
_CACHE = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")

# A process trains one group at a time, however many threads its engine gives it: they would share
# its device's memory. It keeps the last fleet, with the programs that it has compiled.
_TURN = threading.Lock()
_KNOWN: dict[str, PlannedFleet] = {}


def packed(fleet: PlannedFleet) -> dict[str, Any]:
    """Writes the file that all tasks of a fleet share; returns the common part of their orders.

    Args:
        fleet: the fleet, whose directory all workers see under the same name.

    Raises:
        ValueError: if the fleet cannot be pickled.
        ImportError: if cloudpickle is not installed.
    """
    try:
        import cloudpickle
    except ImportError as error:
        raise ImportError(
            'cloudpickle is not installed: python -m pip install "pptp-jax[dask]"'
        ) from error
    trunks = tuple(
        trunk._replace(spec=replace(trunk.spec), home=trunk.home.absolute())
        for trunk in fleet.sharing.trunks
    )
    # Copies leave behind what was found for them on this process's device.
    content = (
        replace(fleet.spec),
        fleet.home.absolute(),
        dict(fleet.plan),
        fleet.sharing._replace(trunks=trunks),
    )
    try:
        data = cloudpickle.dumps(content)
    except Exception as error:  # whatever a user's object may raise
        raise Refused(
            f"{fleet.spec.recipe.slug}: this fleet cannot be sent to workers: {error}; models, "
            f"recipes and signals must not hold what belongs to one process, such as open files"
        ) from error
    write(fleet.home / _FILE, lambda file: file.write(data))
    return {
        "home": str(fleet.home.absolute()),
        "digest": hashlib.sha256(data).hexdigest(),
        "versions": versions(),
        "path": sys.path,
        "platform": jax.default_backend(),
        "numbers": {name: getattr(jax.config, name) for name in _NUMBERS},
        "cache": {name: getattr(jax.config, name) for name in _CACHE},
    }


def recall(home: Path) -> None:
    """Tells the workers of killed runs to stop at the end of their epoch.

    Args:
        home: the fleet's own directory.
    """
    for mark in home.glob(f"{MARK}*"):
        mark.unlink(missing_ok=True)


def unpacked(home: Path) -> None:
    """Removes the shared file, once all tasks have ended.

    Args:
        home: the fleet's own directory.
    """
    (home / _FILE).unlink(missing_ok=True)
    shutil.rmtree(home / _LOCKS, ignore_errors=True)


def versions() -> dict[str, str]:
    """The versions on which the numbers and the pickled fleet depend."""
    found = dict(provenance("flax", "optax", "numpy")["versions"])
    return found | {"python": ".".join(found["python"].split(".")[:2])}


def begun(home: Path, number: int) -> bool:
    """Whether a worker is training a group.

    Args:
        home: the fleet's own directory.
        number: which group.
    """
    place = home / _LOCKS / str(number)
    if not place.exists():
        return False
    try:
        with held(place):
            return False
    except Refused:
        return True


def train_group(order: Mapping[str, Any]) -> dict[str, Any]:
    """Trains a group in a worker and leaves its signals in a shard of the fleet.

    Args:
        order: what `packed` returned, with the `group`'s number and the `mark`, a file without
            which the worker stops at the end of an epoch.

    Returns:
        The `kind` of its end (done, stopped, memory, refused, system, fault), a `text`, and what
        the training has `said`.
    """
    said: list[str] = []
    end: dict[str, Any] = {"kind": "done", "text": ""}
    try:
        with _TURN:
            _train(order, said.append)
    except KeyboardInterrupt:
        end["kind"] = "stopped"
    except Refused as error:
        end = {"kind": "refused", "text": str(error)}
    except jax.errors.JaxRuntimeError as error:
        memory = "RESOURCE_EXHAUSTED" in str(error)
        end = {"kind": "memory" if memory else "fault", "text": traceback.format_exc()}
    except OSError as error:
        parts: tuple[Any, ...] = (str(error),)
        if error.errno is not None:
            parts = (error.errno, error.strerror, str(error.filename or order["home"]))
        end = {"kind": "system", "text": str(error), "error": parts}
    except Exception:
        end = {"kind": "fault", "text": traceback.format_exc()}
    return {**end, "said": said, "host": socket.gethostname()}


def _train(order: Mapping[str, Any], log: Callable[[str], object]) -> None:
    _check_versions(order["versions"])
    home, number = Path(order["home"]), int(order["group"])
    mark = home / order["mark"]

    def stop() -> bool:
        return not mark.exists()

    with ExitStack() as stack:
        for name, setting in _NUMBERS.items():
            stack.enter_context(setting(order["numbers"][name]))
        if getattr(jax.config, _CACHE[0]) is None:  # one that the worker was given stays
            for name in _CACHE:
                jax.config.update(name, order["cache"][name])
        fleet = _fleet(order)
        stack.enter_context(_alone(home / _LOCKS / str(number), stop))
        stores = opened(shard(home, number), fleet.layouts)
        group = {*fleet.plan["groups"][number]}
        # Another worker may have been at it, whom the engine had taken for lost.
        if any(store.missing & group for store in stores.values()):
            runtime = Runtime(strategy=fleet.strategy, stop=stop, log=log)
            GroupTraining(fleet, number, stores, runtime).train()


@contextmanager
def _alone(place: Path, stop: Callable[[], bool]) -> Iterator[None]:
    """Waits until no other worker trains the same group."""
    with ExitStack() as stack:
        while True:
            if stop():
                raise KeyboardInterrupt
            try:
                stack.enter_context(held(place))
                break
            except Refused:
                time.sleep(_POLL)
        yield


def _check_versions(theirs: Mapping[str, str]) -> None:
    own = versions()
    other = [
        f"{name} {own.get(name)} where the run has {version}"
        for name, version in theirs.items()
        if own.get(name) != version
    ]
    if other:
        raise Refused(
            f"the worker on {socket.gethostname()} has {', '.join(other)}: install the same "
            f"versions there, since a fleet's name and numbers depend on them"
        )


def _fleet(order: Mapping[str, Any]) -> PlannedFleet:
    """The fleet of an order, with the programs that this process has compiled for it."""
    digest = str(order["digest"])
    if digest in _KNOWN:
        return _KNOWN[digest]
    host, path = socket.gethostname(), Path(order["home"]) / _FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    if hashlib.sha256(data).hexdigest() != digest:
        raise Refused(
            f"the worker on {host} does not see {path} as it was written: the run directory must "
            f"be on a file system that all workers share, under the same name"
        )
    sys.path.extend(entry for entry in order["path"] if entry not in sys.path)
    content: tuple[FleetSpec, Path, dict[str, Any], Sharing]
    try:
        content = pickle.loads(data)
    except Exception as error:  # whatever a user's object may raise
        raise Refused(
            f"the worker on {host} cannot read the fleet: {type(error).__name__}: {error}; what "
            f"the study imports must be importable there"
        ) from error
    fleet = PlannedFleet(*content)
    same_platform = jax.default_backend() == order["platform"]
    if same_platform and fingerprint(fleet.spec) != fleet.plan["key"]:
        raise Refused(
            f"the worker on {host} would compute another program: its pptp_jax, the modules beside "
            f"the study or its settings of JAX are not those of the run; make them alike, and "
            f"start the worker again"
        )
    _KNOWN.clear()
    _KNOWN[digest] = fleet
    return fleet
