"""Two real processes train one model on a stream, each on its part of every batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import chex
import jax
import numpy as np
import pytest

from pptp_jax.data import Stream
from pptp_jax.models import mlp
from pptp_jax.training import train_streamed, undefended

pytestmark = pytest.mark.slow  # processes of their own, each of which loads JAX


class Noise:
    """Random inputs, of which nothing is kept but what was requested."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 200

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        self.asked.append(row)
        return np.random.default_rng(row).normal(size=5).astype(np.float32), row % 3


SOURCE = Noise()
TRAINING = {
    "model": mlp([4], num_classes=3),
    "recipe": undefended(2),
    "stream": Stream(name="noise", source=SOURCE, num_classes=3, ahead=1),
    "members": np.arange(40, 120),
    "batch_size": 16,
}

# A process: its place among the two, the port, and where the states and its results go. Process 1
# stops after three of ten steps; then both go on. What is said goes to a file: the transport writes
# to standard output from threads of its own.
PROCESS = """
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from pptp_jax.distributed.join import joined
from pptp_jax.training import Checkpoint, StreamExecution, train_streamed
from test_streaming_together import SOURCE, TRAINING

index, port, out = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
with joined(f"127.0.0.1:{port}", 2, index, together=True):
    run = dict(TRAINING, key=jax.random.key(0))
    patient = StreamExecution(
        every=1, data_devices=4, checkpoint=Checkpoint(out / "states", every=3600)
    )
    asked = iter([False, False, index == 1])
    try:
        train_streamed(**run, execution=replace(patient, stop=lambda: next(asked)))
        said = "went on"
    except KeyboardInterrupt:
        said = "stopped"
    SOURCE.asked.clear()
    variables, metrics = train_streamed(**run, execution=patient)
    leaves = map(np.asarray, jax.tree.leaves((variables, metrics.loss)))
    np.savez(out / f"{index}.npz", *leaves, asked=SOURCE.asked)
    apart = patient
    if not index:
        apart = replace(patient, checkpoint=Checkpoint(out / "states-0", every=0))
    try:
        train_streamed(**run, execution=apart)
    except ValueError as error:
        (out / f"{index}.txt").write_text(f"{said}\\n{error}")
"""


def test_two_processes_stream_what_one_streams(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2])),
        "JAX_NUM_CPU_DEVICES": "2",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(i), str(port), str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        for i in range(2)
    ]
    alone = train_streamed(**TRAINING, key=jax.random.key(0))
    said = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    refused = "the processes see states of this training after [0, 3] steps, each its own: the"
    for i in range(2):
        assert (tmp_path / f"{i}.txt").read_text().startswith(f"stopped\n{refused}")
    first, second = [dict(np.load(tmp_path / f"{i}.npz")) for i in range(2)]
    parts = [first.pop("asked"), second.pop("asked")]
    chex.assert_trees_all_equal(first, second)
    expected = [np.asarray(leaf) for leaf in jax.tree.leaves((alone[0], alone[1].loss))]
    chex.assert_trees_all_close([*first.values()], expected, rtol=1e-4, atol=1e-5)
    # The first example, and of the seven steps that were left a half each.
    assert [len(part) for part in parts] == [1 + 7 * 8, 1 + 7 * 8]
    epoch = {row for part in parts for row in part[-5 * 8 :]}
    assert epoch == set(range(40, 120))
