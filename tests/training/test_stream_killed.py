"""A process that trains on a stream is killed, twice: the numbers are those of one left alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import chex
import jax
import numpy as np
import pytest

from pptp_jax.data import Stream
from pptp_jax.models import mlp
from pptp_jax.training import freeze, train_streamed

pytestmark = pytest.mark.slow  # processes of their own, each of which loads JAX

STEPS = 5 * 4  # four epochs of five steps


class Noise:
    """Random inputs."""

    def __len__(self) -> int:
        return 90

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        return np.random.default_rng(row).normal(size=5).astype(np.float32), row % 3


TRAINING = {
    "model": mlp([4], num_classes=3, dropout=0.2),
    "recipe": freeze("stem", after=2, more=2),
    "stream": Stream(name="noise", source=Noise(), num_classes=3, ahead=1),
    "members": np.arange(10, 90),
    "batch_size": 16,
}

# Trains, keeps a state after every step, and says which step it has just taken.
PROCESS = """
import sys
from pathlib import Path

import jax
import numpy as np

from pptp_jax.training import Checkpoint, StreamExecution, train_streamed
from test_stream_killed import TRAINING

out = Path(sys.argv[1])
found = train_streamed(
    **TRAINING,
    key=jax.random.key(0),
    execution=StreamExecution(
        every=1,
        checkpoint=Checkpoint(out / "states", every=0),
        on_progress=lambda now: print(5 * now.epoch + now.step, flush=True),
    ),
)
np.savez(out / "found.npz", *map(np.asarray, jax.tree.leaves(found)))
"""


def start(out: Path) -> subprocess.Popen[str]:
    parts = Path(__file__).parents[2], Path(__file__).parent
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, parts))},
    )


def test_a_killed_process_loses_the_steps_in_work_alone(tmp_path: Path) -> None:
    seen = 0
    for more in (4, 8):  # within an epoch of either phase
        process = start(tmp_path)
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(more)]
        process.kill()
        late, _ = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL and not list(tmp_path.glob("found*"))
        # The last step that it printed may not have been saved, all before it were.
        assert seen <= told[0] <= seen + 1
        seen = int((late.split() or [told[-1]])[-1])
    process = start(tmp_path)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    told = [int(line) for line in said.split()]
    assert seen <= told[0] <= seen + 1 and told == list(range(told[0], STEPS + 1))
    alone = jax.tree.leaves(train_streamed(**TRAINING, key=jax.random.key(0)))
    with np.load(tmp_path / "found.npz") as found:
        chex.assert_trees_all_equal([*found.values()], list(map(np.asarray, alone)))
