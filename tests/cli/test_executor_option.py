"""`pptp run --executor`."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from invoking import pptp, pptp_process

from pptp_jax.study import load_study, narrowed, run


@pytest.mark.parametrize("name", ["slurm:4", "dask:0", "dask:head", "4"])
def test_what_is_no_executor_is_refused_before_anything_starts(study: Path, name: str) -> None:
    for more in ((), ("--dry-run",)):
        result = pptp("run", study, "--executor", name, "--out", study.parent / "none", *more)
        assert result.exit_code == 2
        said = " ".join(result.stderr.split())
        assert "an executor is dask:HOST:PORT" in said and f"got '{name}'" in said
    assert not (study.parent / "none").exists()


@pytest.mark.parametrize(
    "given",
    [
        ("--distributed",),
        ("--coordinator", "here:9876", "--processes", 2, "--process", 0),
        ("--process", 0),
    ],
)
def test_an_executor_and_processes_exclude_each_other(study: Path, given: tuple[object]) -> None:
    result = pptp("run", study, "--executor", "processes:2", *given)
    assert result.exit_code == 2
    assert "--executor hands groups of models to workers; --distributed" in result.stderr


def test_a_missing_package_names_the_extra(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the regions are searched, which trains fleets."""

    def searched(*given: object) -> None:
        raise AssertionError("the search has begun")

    monkeypatch.setitem(sys.modules, "loky", None)
    monkeypatch.setattr("pptp_jax.study.locate.with_regions_found", searched)
    out = study.parent / "without"
    result = pptp("run", study, "--executor", "processes:2", "--out", out)
    assert result.exit_code == 1
    assert result.stderr == (
        'Error: loky is not installed: python -m pip install "pptp-jax[dask]"\n'
    )


# Two workers and the command are processes that import JAX and compile.
@pytest.mark.slow
def test_a_run_by_a_scheduler_that_is_running(study: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        cluster.wait_for_workers(2)  # on a busy machine the second comes later
        name = f"dask:{cluster.scheduler_address}"
        given = ("--recipe", "undefended", "--strategy", "scan", "--executor", name)
        done = pptp_process("run", study, "--out", tmp_path / "out", *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == f"{name}: 2 workers"
    assert json.loads((tmp_path / "out" / "results.json").read_text())["processes"] == 2
    [plan] = (tmp_path / "out").glob("fleets/*/fleet.json")
    assert json.loads(plan.read_text())["groups"] == [[0, 1, 2], [3, 4, 5]]
    # Here the models are one group, so the last bits may differ.
    run(narrowed(load_study(study), None, ["undefended"]), tmp_path / "alone")
    for signal in ("undefended_1.npy", "logits/undefended_1.npy"):
        found, known = (np.load(tmp_path / out / "signals" / signal) for out in ("out", "alone"))
        np.testing.assert_allclose(found, known, rtol=1e-4, atol=1e-4)
