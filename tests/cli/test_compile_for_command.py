"""`pptp run STUDY --compile-for POD`: what a TPU's compiler says, and nothing is trained."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from invoking import STUDY, pptp, pptp_process

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "tpu_compiled.py"
# The tests' settings of XLA would reach the TPU's compiler as well.
ENV = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}


@pytest.mark.slow  # 20 s: libtpu compiles a network with a convolution, its batches shared
@pytest.mark.tpu
def test_a_study_is_compiled_and_not_trained(tmp_path: Path) -> None:
    path = tmp_path / "study.py"
    text = STUDY.replace("mlp", "cnn").replace("cnn([8]", "cnn([4], dense=8")
    path.write_text(text.replace("batch_size=50", "batch_size=48"))
    options = "--compile-for", "v5e:2x2", "--strategy", "vmap", "--recipe", "undefended"
    done = pptp_process("run", path, *options, cwd=tmp_path, env=ENV)
    assert done.returncode == 0, done.stderr
    assert "tiny: compiled for v5e:2x2, 4 TPU v5 lite of 17 GB each on 1 host" in done.stdout
    [row] = [line.split() for line in done.stdout.splitlines() if line.startswith(" undefended_1")]
    # 6 models on 4 chips: 8 with copies, two a chip; a tiny network leaves room for more.
    assert row[1:4] == ["vmap", "8", "2"] and row[4:6] == ["over", "1000"]
    assert row[-1] == "none" and "for 2 models" in done.stdout
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.slow  # 20 s: libtpu compiles five programs of a small network
@pytest.mark.tpu
def test_the_benchmark_compiles_ours_and_flax() -> None:
    options = "--networks mlp --parts gradient fleet --chips 4 --orders scan --precisions float32"
    command = [sys.executable, str(BENCHMARK), *options.split()]
    env = ENV | {"PYTHONPATH": str(BENCHMARK.parents[1]), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    values = {line[:76].strip(): line[76:].split()[0] for line in done.stdout.splitlines()[1:]}
    rows = {name: float(value.replace(",", "")) for name, value in values.items()}
    # The same products, whatever the library.
    assert rows["mlp, float32: gradient, operations over Flax"] == pytest.approx(1, abs=0.02)
    assert rows["mlp, float32: gradient, bytes over Flax"] <= 1.15
    assert rows["mlp, float32: scan, step of a model, bytes over Flax"] <= 1.15
    assert rows["mlp, float32: scan, 4 chips, collectives"] == 0


@pytest.mark.tpu
def test_a_pod_that_is_not_there_is_refused(study: Path) -> None:
    for pod, said in (
        ("v5litepod-4", "a topology is KIND:GRID, as v5e:2x2"),
        ("v5e:3x5", "knows no topology 'v5e:3x5'"),
    ):
        result = pptp("run", study, "--compile-for", pod)
        assert result.exit_code == 1 and said in result.stderr
    result = pptp("run", study, "--compile-for", "v5e:4x4", "--devices", "8")
    assert result.exit_code == 1
    assert "a process of v5e:4x4 has the 4 chips of its host" in result.stderr


@pytest.mark.parametrize("more", [("--dry-run",), ("--executor", "dask:2"), ("--processes", 2)])
def test_it_trains_nothing_beside(study: Path, more: tuple[object, ...]) -> None:
    result = pptp("run", study, "--compile-for", "v5e:4x4", *more)
    assert result.exit_code == 2 and "leave out --dry-run" in result.stderr
