"""Is a run that is repeatedly killed bit-identical to an uninterrupted one?

A study of two recipes on the digits, six models each in groups of two, signals after epochs 3 and 6
and at the end, runs in a process of its own. `kill -9` hits it at random moments: while it starts,
some epochs and a part of an epoch later, while it attacks and writes. It saves its state after
every epoch, not each 30 seconds, so that a kill finds a writer at work more often. Each time the
same command goes on from the directory. Kills that are left when everything is trained hit a run
that reads, attacks and writes. In the end every file of the run directory is compared, byte for
byte, with those of a run that nobody has disturbed (without the seconds in `results.json` and
the log `losses.csv`).

    python benchmarks/kill.py [--quick] [--kills N] [--seed N] [--json FILE]

`--quick` kills three times; about a minute.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from argparse import SUPPRESS
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

from rows import Table, command

from pptp_jax.data import Balanced, Digits
from pptp_jax.fleets import Runtime, plan
from pptp_jax.fleets import group as groups
from pptp_jax.models import mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.study import Study, run
from pptp_jax.training import Checkpoint, Strategy, split, undefended

EPOCHS, GROUP = 9, 2
STUDY = Study(
    name="killed",
    data=Digits(),
    model=mlp([32], num_classes=10),
    split=Balanced(models=6),
    examples=600,
    batch_size=50,
    trajectory=(3, 6),
    resamples=50,
    recipes=(undefended(EPOCHS), split("head", RelaxLoss(alpha=1.0), EPOCHS)),
)
LINES = len(STUDY.recipes) * STUDY.split.models // GROUP * EPOCHS


@dataclass(frozen=True)
class Attempt:
    """What became of one process.

    Attributes:
        epochs: how many epochs of a group it has ended.
        seconds: how long it ran.
        started: after how many seconds its first epoch had ended; None if none had.
        killed: whether it was killed, and had not ended before.
    """

    epochs: int
    seconds: float
    started: float | None
    killed: bool


def work(out: Path) -> None:
    """The process that is killed: runs the study and tells each epoch by a line."""
    scan = Strategy(order="scan")
    with (
        patch.object(groups, "Checkpoint", partial(Checkpoint, every=0.0)),
        patch.object(plan, "fitting_chunk", lambda *_: GROUP),
    ):
        run(
            STUDY,
            out,
            strategy=lambda *_: scan,
            runtime=Runtime(on_progress=lambda *_: print(flush=True)),
        )


def attempt(out: Path, cache: Path, epochs: int | None, seconds: float = 0.0) -> Attempt:
    """Runs the study, and kills it `seconds` after a number of epochs; None never kills."""
    env = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    command = [sys.executable, __file__, "--work", str(out)]
    began, started, ended, killed = time.monotonic(), None, 0, False
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        while ended != epochs and process.stdout.readline():
            ended += 1
            started = started or time.monotonic() - began
        if ended == epochs:
            try:
                process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                killed = True
            ended += len(process.stdout.readlines())
    if process.returncode and not killed:
        raise SystemExit(f"the run failed by itself, with exit code {process.returncode}")
    return Attempt(ended, time.monotonic() - began, started, killed)


def kept(out: Path) -> dict[str, bytes]:
    """Every file of a run by its path, without its seconds and the log of its losses."""
    found = {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name not in {".lock", "losses.csv"}
    }
    results = json.loads(found["results.json"])
    del results["seconds"]
    return found | {"results.json": json.dumps(results).encode()}


def moment(draw: random.Random, kills: int, seen: list[Attempt]) -> tuple[int, float]:
    """When the next kill comes: some seconds after some epochs."""
    start = min(one.started for one in seen if one.started is not None)
    plain = seen[0].seconds - (seen[0].started or 0)
    if not seen[-1].killed and len(seen) > 1:  # all is trained
        return 0, draw.uniform(0, start + plain / 2)
    if draw.random() < 0.2:
        return 0, draw.uniform(0, start)
    return draw.randint(1, max(1, 3 * LINES // (2 * kills))), draw.uniform(0, 2 * plain / LINES)


def compare(kills: int, seed: int, home: Path) -> tuple[list[str], list[Attempt]]:
    """Runs undisturbed, and under kills.

    Returns:
        The files that differ; what became of each process, the undisturbed one first.
    """
    cache, draw = home / "cache", random.Random(seed)
    seen = [attempt(home / "undisturbed", cache, None)]
    while sum(one.killed for one in seen) < kills:
        seen.append(attempt(home / "killed", cache, *moment(draw, kills, seen)))
        ended = "killed" if seen[-1].killed else "ended before its kill came"
        print(f"  {ended} after {seen[-1].seconds:.1f} s and {seen[-1].epochs} epochs", flush=True)
    seen.append(attempt(home / "killed", cache, None))
    plain, killed = kept(home / "undisturbed"), kept(home / "killed")
    return sorted(name for name in plain | killed if plain.get(name) != killed.get(name)), seen


def main() -> None:
    """Kills, compares, prints and stores."""
    parser = command(__doc__)
    parser.add_argument("--kills", type=int, help="default: 20, or 3 if quick")
    parser.add_argument("--seed", type=int, default=0, help="draws the moments")
    parser.add_argument("--work", type=Path, help=SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return
    kills = options.kills or (3 if options.quick else 20)
    with Table(options.json, "jaxlib", "orbax-checkpoint") as show:
        with tempfile.TemporaryDirectory() as home:
            differ, seen = compare(kills, options.seed, Path(home))
        again = sum(one.epochs for one in seen[1:]) - seen[0].epochs
        show("kills", kills, "", "undisturbed")
        show("files that differ", len(differ), "", "undisturbed")
        show("epochs trained anew", again, "", "undisturbed")
    if differ:
        raise SystemExit("these files differ: " + ", ".join(differ))


if __name__ == "__main__":
    main()
