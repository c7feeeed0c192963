"""`benchmarks/accelerator.py`: every step in miniature, and an end in time whatever a step does."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
# What a machine with a GPU may not have, and what hides it from Python. Plugins of pytest need some
# of it: they are installed here, and pytest loads them.
MISSING = ("tensorflow_datasets", "tensorflow", "grain", "torch")
OF_PLUGINS = ("jaxtyping", "platformdirs")
HIDE = f"""
import sys
from importlib.machinery import PathFinder

find = PathFinder.find_spec
hidden = {MISSING} if "tests" in sys.orig_argv else {MISSING + OF_PLUGINS}
PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name.partition(".")[0] in hidden else find(name, *rest)
)
"""


@pytest.fixture(autouse=True)
def benchmarks_are_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def options(**changes: Any) -> argparse.Namespace:
    given = {
        "minutes": 0.05,
        "json": None,
        "data": None,
        "emails": None,
        "network": "cnn",
        "rehearse": True,
    }
    return argparse.Namespace(**given | changes)


# It starts eleven processes, each of which loads JAX: the command's own way to lose nothing. The
# hour is for a machine that does much else.
@pytest.mark.slow
def test_every_step_runs_in_miniature_where_much_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    out = tmp_path / "found.json"
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    command = [sys.executable, "benchmarks/accelerator.py", "--rehearse", "--json", str(out)]
    done = subprocess.run(
        [*command, "--minutes", "60"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    pytorch = dict.fromkeys(
        ("resnet18-pytorch", "cnn-pytorch"), "needs torch, which is not installed here"
    )
    assert found["skipped"] == pytorch, done.stderr
    assert {"tensorflow_datasets", "jaxtyping", "torch"} <= set(found["machine"]["missing"])
    assert found["machine"]["versions"].keys() >= {"python", "jax", "flax", "optax"}
    import history

    # Apart from what is no rehearsal.
    assert history.read(out).series.startswith("accelerator --rehearse --network cnn on ")
    assert all(
        row.keys() == {"name", "value", "low", "high", "unit", "baseline"}
        and row["low"] <= row["value"] <= row["high"]
        for row in found["rows"]
    )
    values = {row["name"]: row["value"] for row in found["rows"]}
    for name in (
        "matmul peak, TF32",
        "convolution, stem, float32, forward and backward: native, alone",
        "resnet18, 2 models: ours, vmap, bfloat16",
        "cnn, 2 models: ours, scan, TF32",
        "mlp, 4 models: ours, vmap, float32",
        "cifar10_gpu, annealed_2+1: rmia_online, auc",
        "cifar10_gpu, annealed_decay_1+1_stage3_weight_decay_0.005: lira_online, auc",
        "images, cnn, 12 models of 32 members: LiRA's auc",
        "pptp run experiments/digits.py",
    ):
        assert values[name] > 0, name
    study = "cifar10_gpu, annealed_decay_1+1_stage3_weight_decay_0.005"
    assert 0 <= values[f"{study}: lira_online, tpr@0.01"] <= 1  # of so few pairs it may be none
    [passed] = [values[name] for name in values if name.endswith("memory: passed")]
    assert passed == 1, done.stdout


def small_steps(monkeypatch: pytest.MonkeyPatch, code: dict[str, str]) -> Any:
    """The command with steps of some lines of Python each, of equal budgets."""
    import accelerator
    from accelerator_steps.plan import Step

    def command(step: Step, options: Any, lines: Path, seconds: float) -> list[str]:
        show = f"def line(text): print(text, file=open({str(lines)!r}, 'a'), flush=True)\n"
        return [sys.executable, "-S", "-c", show + code[step.name]]

    monkeypatch.setattr(accelerator, "_command", command)
    monkeypatch.setattr(accelerator, "RESERVE", 0.5)
    monkeypatch.setattr(accelerator, "LEAST", 0.1)
    return accelerator, [Step(name=name, module="", seconds=1) for name in code]


ROW = '{"row": {"name": "%s", "value": 1, "low": 1, "high": 1, "unit": "x", "baseline": "-"}}'


def test_a_step_that_hangs_or_dies_loses_nothing_that_was_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    accelerator, steps = small_steps(
        monkeypatch,
        {
            "dies": f"line('{ROW % 'first'}'); import os; os.abort()",
            # With a process of its own, and in the middle of a line.
            "hangs": (
                f"line('{ROW % 'second'}'); line('{{\"row\"'); import subprocess, sys, time\n"
                "child = subprocess.Popen([sys.executable, '-S', '-c', 'while True: pass'])\n"
                f"open({str(child)!r}, 'w').write(str(child.pid)); time.sleep(60)"
            ),
            "ends": f"line('{ROW % 'third'}'); line('{{\"note\": \"n\"}}')",
        },
    )
    begun = time.monotonic()
    results = accelerator.measure(steps, options(json=tmp_path / "found.json"), begun)
    assert time.monotonic() - begun < 3  # 0.05 minutes
    stored = json.loads((tmp_path / "found.json").read_text())
    assert stored == results.known
    assert [row["name"] for row in stored["rows"]] == ["first", "second", "third"]
    assert stored["skipped"].keys() == {"dies", "hangs"}
    assert stored["skipped"]["dies"].startswith("ended with status -6")
    assert stored["skipped"]["hangs"].endswith("s with 1 rows")
    assert stored["notes"] == {"ends": ["n"]}
    assert not running(int(child.read_text()))


def running(process: int) -> bool:
    """Whether a process runs; one that is dead, and not yet collected by its parent, does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_an_interrupt_keeps_what_the_running_step_has_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stop = f"line('{ROW % 'one'}'); import os, signal, time; "
    stop += "os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"
    accelerator, steps = small_steps(monkeypatch, {"stops": stop, "waits": ""})
    # A shell starts what goes on in the background with interrupts ignored.
    known = signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        accelerator.measure(steps, options(json=tmp_path / "a.json", minutes=1), time.monotonic())
    signal.signal(signal.SIGINT, known)
    stored = json.loads((tmp_path / "a.json").read_text())
    assert stored["skipped"] == {"stops": "interrupted", "waits": "not reached"}
    assert [row["name"] for row in stored["rows"]] == ["one"]


def test_results_that_cannot_be_written_are_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import accelerator

    (tmp_path / "file").touch()
    given = ["accelerator.py", "--rehearse", "--json", str(tmp_path / "file" / "a.json")]
    monkeypatch.setattr(sys, "argv", given)
    monkeypatch.setattr(accelerator, "measure", lambda *given: pytest.fail("it measures"))
    monkeypatch.setattr(accelerator.signal, "signal", lambda *given: None)
    with pytest.raises(SystemExit):
        accelerator.main()
    assert f"--json {tmp_path / 'file' / 'a.json'}: " in capsys.readouterr().err


def test_time_that_a_step_leaves_goes_to_those_behind_it() -> None:
    from accelerator_steps.plan import STEPS, limits

    ends = limits(STEPS, 534)
    assert ends == sorted(ends) and ends[-1] == pytest.approx(534)
    budgets = np.diff([0, *ends])
    np.testing.assert_allclose(
        budgets / budgets[0], [step.seconds / STEPS[0].seconds for step in STEPS]
    )


def test_the_speed_over_pytorch_is_over_its_fastest_way() -> None:
    from accelerator_steps.comparison import over_pytorch

    def row(name: str, value: float, unit: str = "examples/s") -> dict[str, Any]:
        ends = {"low": value - 10, "high": value + 10}
        return {"name": name, "value": value, "unit": unit, "baseline": "-", **ends}

    ours = row("cnn, 2 models: ours, scan, TF32", 300)
    rows = [
        ours,
        row("cnn, 2 models: PyTorch, TF32", 90),
        row("cnn, 2 models: torch.compile, TF32", 150),
        row("cnn, 2 models: PyTorch, TF32: trainings", 900, "models/h"),
        row("mlp, 2 models: ours, scan, TF32", 100),
        row("cnn, 2 models: Flax, a jitted step in a loop, TF32", 999),
    ]
    [found] = over_pytorch(rows)
    assert found["name"] == "cnn, 2 models: ours, scan, TF32, speed over PyTorch's best"
    assert found["baseline"] == "torch.compile, TF32"
    assert (found["low"], found["value"], found["high"]) == (290 / 160, 2.0, 310 / 140)


@pytest.mark.parametrize(
    ("precision", "said"), [("float32", "HIGHEST"), ("TF32", "HIGH"), ("bfloat16", "bf16")]
)
def test_our_fleets_multiply_in_the_precision_of_their_rows(
    monkeypatch: pytest.MonkeyPatch, precision: str, said: str
) -> None:
    """JAX's setting does not reach the library's models."""
    from accelerator_steps import fleet_speed
    from contestants.networks import network

    from pptp_jax.models import compiled_for

    def program(network: Any, strategy: Any) -> str:
        shapes = network.model.shapes(np.zeros((2, *network.shape), np.float32))

        def train(params: Any, state: Any, x: Any) -> Any:
            return network.model.apply(params, state, x, train=True, key=None)

        with compiled_for("gpu"):
            x = np.zeros((2, *network.shape), np.float32)
            return jax.jit(train).trace(*shapes, x).lower(lowering_platforms=("cuda",)).as_text()

    monkeypatch.setattr(fleet_speed, "ours", program)
    products = re.findall(
        r"stablehlo.dot_general.*", fleet_speed._ours(network("mlp"), "scan", precision)
    )
    assert len(products) == 3
    assert all(re.search(rf"\b{said}\b|x{said}\b", line) for line in products), products


def test_the_patches_are_the_native_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerator_steps import convolution_forms

    convolution_forms.check()
    wrong = {
        "native": convolution_forms.native,
        "patches": lambda x, k: 2 * convolution_forms.native(x, k),
    }
    monkeypatch.setattr(convolution_forms, "FORMS", wrong)
    with pytest.raises(AssertionError):
        convolution_forms.check()


def test_the_stand_in_has_every_name_that_the_library_takes_from_jaxtyping() -> None:
    import ast

    from accelerator_steps import without_jaxtyping

    taken = {
        alias.name
        for path in (ROOT / "pptp_jax").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "jaxtyping"
        for alias in node.names
    }
    assert taken and all(hasattr(without_jaxtyping, name) for name in taken)
    assert not hasattr(without_jaxtyping, "Complex")


def test_the_tests_of_devices_are_there() -> None:
    from accelerator_steps.library_tests import FILES, REHEARSED

    assert all((ROOT / file.partition("::")[0]).is_file() for file in (*FILES, *REHEARSED))


def test_images_travel_as_bytes_of_at_most_forty_megabytes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import accelerator_data

    from pptp_jax.data import Dataset, Npz

    x = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), np.uint8)
    data = Dataset("ten", x, np.arange(10, dtype=np.int32), np.arange(10).astype(str), 10, 1 / 255)
    out = tmp_path / "images.npz"
    assert accelerator_data.pack(data, out) == out.stat().st_size
    read = Npz(out).load()
    assert read.x.dtype == np.uint8 and read.scale == data.scale
    np.testing.assert_array_equal(read.x, x)
    np.testing.assert_array_equal(read.y, data.y)
    monkeypatch.setattr(accelerator_data, "MOST_BYTES", 100)
    with pytest.raises(SystemExit, match="take fewer --examples"):
        accelerator_data.pack(data, out)
    assert not out.exists()
