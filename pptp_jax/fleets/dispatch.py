"""Submit the groups of a fleet to an executor: wait, collect and retry."""

import math
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pptp_jax.distributed.engines import Submitted
from pptp_jax.fleets.group import PlannedFleet, Stores
from pptp_jax.fleets.shards import shard, take
from pptp_jax.fleets.spec import Runtime
from pptp_jax.fleets.task import MARK, begun, packed, train_group, unpacked
from pptp_jax.training import Progress
from pptp_jax.validation import Refused

ATTEMPTS = 3
_POLL = 0.2  # seconds
_ON = "the same command goes on from here"


def train_by_executor(
    fleet: PlannedFleet, groups: Sequence[int], stores: Stores, runtime: Runtime
) -> list[int]:
    """Trains groups by the runtime's executor, and copies their signals into the stores.

    A group whose worker was lost is sent again, and goes on from its checkpoint.

    Args:
        fleet: what the groups belong to.
        groups: their numbers.
        stores: the fleet's own.
        runtime: has the executor, and is given the progress after each group.

    Returns:
        The groups for which the memory of a worker did not suffice.

    Raises:
        ValueError: if a worker does not fit the run, or a group has lost three of them.
        KeyboardInterrupt: if the runtime says stop, when the groups at work have been saved.
        OSError: if a worker cannot write.
        RuntimeError: for any other fault of a worker, with its traceback.
    """
    return _Dispatch(fleet, stores, runtime).work(groups)


class _Dispatch:
    def __init__(self, fleet: PlannedFleet, stores: Stores, runtime: Runtime) -> None:
        self.fleet, self.stores, self.runtime = fleet, stores, runtime
        self.mark = fleet.home / f"{MARK}{secrets.token_hex(8)}"
        self.order = packed(fleet) | {"mark": self.mark.name}
        self.waiting: dict[int, Submitted] = {}
        self.lost: dict[int, int] = {}
        self.trained = 0

    def work(self, groups: Sequence[int]) -> list[int]:
        too_large: list[int] = []
        self.mark.touch()
        try:
            for i in groups:
                # Made here, so that no network file system remembers that it was missing.
                shard(self.fleet.home, i).mkdir(parents=True, exist_ok=True)
                self._submit(i)
            while self.waiting:
                if self.runtime.stop():
                    self._stop()
                for i in [i for i, task in self.waiting.items() if task.done()]:
                    if self._ended(i, self.waiting.pop(i)) == "memory":
                        too_large.append(i)
                time.sleep(_POLL if self.waiting else 0)
        finally:
            self.mark.unlink(missing_ok=True)
            self._cancel()
        unpacked(self.fleet.home)
        return sorted(too_large)

    def _submit(self, i: int) -> None:
        assert self.runtime.executor is not None
        # Some engines take equal calls for one.
        order = self.order | {"group": i, "attempt": self.lost.get(i, 0)}
        try:
            self.waiting[i] = self.runtime.executor.submit(train_group, order)
        except Exception as error:  # each engine has its own
            raise Refused(
                f"the executor takes no more work ({_said(error)}); with another one {_ON}"
            ) from error

    def _ended(self, i: int, task: Submitted) -> str:
        """Handles a group that has ended; the group of a lost worker is submitted again."""
        try:
            end: Mapping[str, Any] = task.result()
        except Exception as error:  # a task returns its errors, so the engine has lost it
            self.lost[i] = self.lost.get(i, 0) + 1
            if self.lost[i] >= ATTEMPTS:
                raise Refused(
                    f"{self._named(i)}: the worker was lost {ATTEMPTS} times, the last time by "
                    f"{_said(error)}; see the worker's own log, and whether its memory suffices; "
                    f"{_ON}"
                ) from error
            self.runtime.log(
                f"{self._named(i)}: a worker was lost ({_said(error)}); sent again, attempt "
                f"{self.lost[i] + 1} of {ATTEMPTS}"
            )
            self._submit(i)
            return "lost"
        for sentence in end["said"]:
            self.runtime.log(sentence)
        if end["kind"] == "done":
            self._collect(i, end["host"])
        elif end["kind"] == "stopped":
            raise Refused(
                f"{self._named(i)}: another run has begun to train this fleet; wait for it"
            )
        elif end["kind"] == "refused":
            raise Refused(end["text"])
        elif end["kind"] == "system":
            raise OSError(*end["error"])
        elif end["kind"] == "fault":
            raise RuntimeError(f"{self._named(i)}, on {end['host']}:\n{end['text']}")
        return str(end["kind"])

    def _collect(self, i: int, host: str) -> None:
        """Copies a group's signals into the fleet's own stores."""
        home, group = self.fleet.home, tuple(self.fleet.plan["groups"][i])
        take(shard(home, i), self.stores)
        if any(store.missing & {*group} for store in self.stores.values()):
            raise Refused(
                f"{self._named(i)}: what the worker on {host} has written is not seen in "
                f"{shard(home, i)}: the run directory must be on a file system that all workers "
                f"share"
            )
        last = max(self.stores)
        losses = self.stores[last].read_rows("loss", group)[:, -1:]
        loss = float(losses[np.isfinite(losses)].mean()) if np.isfinite(losses).any() else math.nan
        now = Progress(self.trained, len(group), last, loss)
        self.runtime.on_progress(self.fleet.spec.recipe, now)
        self.trained += len(group)

    def _stop(self) -> None:
        """Cancels groups that have not begun, and waits until the others are saved.

        Raises:
            KeyboardInterrupt: always.
        """
        self.mark.unlink(missing_ok=True)
        cancelled = self._cancel()
        self.runtime.log(
            f"stopping: groups at work save their state at the end of their epoch "
            f"({len(self.waiting)}); those that are not begun are cancelled ({cancelled})"
        )
        while not all(task.done() for task in self.waiting.values()):
            time.sleep(_POLL)
        raise KeyboardInterrupt

    def _cancel(self) -> int:
        """Cancels the groups that no worker has begun; returns their number."""
        idle = [i for i in self.waiting if not begun(self.fleet.home, i)]
        for i in idle:
            self.waiting.pop(i).cancel()
        return len(idle)

    def _named(self, i: int) -> str:
        group = self.fleet.plan["groups"][i]
        return f"{self.fleet.spec.recipe.slug}: models {group[0]} to {group[-1]}"


def _said(error: Exception) -> str:
    """An engine's error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text:.300}" if text else type(error).__name__
