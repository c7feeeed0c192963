"""A directory belongs to one process, until that ends in whatever way."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pptp_jax.storage.lock import held

HOLDER = """
import sys, time
from pathlib import Path
from pptp_jax.storage.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    out = tmp_path / "run"
    command = [sys.executable, "-c", HOLDER, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=rf"/run is in use by process {holder.pid} on ") as no:
            with held(out):
                raise AssertionError
        assert "wait for it, or give another directory" in str(no.value)
        holder.send_signal(signal.SIGKILL)
    for _ in range(2):
        with held(out):
            assert (out / ".lock").read_text().startswith(f"process {os.getpid()} on ")


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.warns(UserWarning, match="nothing keeps a second run out"), held(tmp_path):
        pass
