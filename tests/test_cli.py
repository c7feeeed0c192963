"""The command, as a person uses it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from pptp_jax.cli import main
from pptp_jax.training import Checkpoint

STUDY = """
from pptp_jax.data import Balanced, Digits
from pptp_jax.models import mlp
from pptp_jax.study import Study
from pptp_jax.training import freeze, undefended

study = Study(
    name="tiny", data=Digits(), model=mlp([8], num_classes=10), split=Balanced(models=6),
    examples=300, batch_size=50, resamples=20,
    recipes=(undefended(1), freeze("stem", after=1, more=1)),
)
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "tiny.py"
    path.write_text(STUDY)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command keeps for its user must not be the tester's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/nowhere")


def pptp(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_a_run_prints_its_table_and_leaves_its_files(study: Path) -> None:
    out = study.parent / "out"
    result = pptp("run", study, "--out", out, "--devices", 2)
    assert result.exit_code == 0, result.output
    [told] = result.stderr.splitlines()
    found = re.match(r"training by (vmap|scan) on 2 devices, cpu: examples a second by", told)
    assert found is not None, told
    chosen = {"type": "Strategy", "order": found[1], "devices": 2}
    assert json.loads((out / "results.json").read_text())["strategy"] == chosen
    lines = result.stdout.splitlines()
    assert lines[0].startswith("tiny: digits, 300 examples in 10 classes; 6 models a recipe, 150")
    [heading] = [line for line in lines if "test accuracy" in line]
    table = [line for line in lines if line.strip().startswith(("undefended", "freeze "))][:2]
    # Aligned: every figure ends under the end of its title.
    end = heading.index("test accuracy") + len("test accuracy")
    assert all(line[end - 1].isdigit() and line[end : end + 2] == "  " for line in table)
    [pair] = [line for line in lines if line.strip().startswith("freeze stem  ")]
    assert pair.split()[:6] == "freeze stem early stopping lira online".split()
    # Whatever comes out, it is said in a sentence.
    assert any("freeze stem" in line and line.endswith(".") for line in lines)
    assert (out / "table.txt").read_text().strip() in result.stdout
    for name in ("accuracy_over_auc.png", "roc.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert lines[-1].endswith(f"; the report is {out / 'report.html'}")
    assert "data:image/png;base64," in (out / "report.html").read_text()
    again = pptp("run", study, "--out", out, "--recipe", "freeze", "--strategy", "unrolled")
    assert again.stderr == ""
    results = json.loads((out / "results.json").read_text())
    assert again.exit_code == 0 and [row["recipe"] for row in results["rows"]] == ["freeze"]
    assert results["command"] == f"pptp run {study} --recipe freeze"
    shown = (out / "report.html").read_text()
    (out / "report.html").unlink()
    anew = pptp("report", out)
    assert anew.exit_code == 0 and anew.stdout == f"{out / 'report.html'}\n"
    assert (out / "report.html").read_text() == shown


AUDIT = """
from pptp_jax.audit import CanaryAudit
from pptp_jax.data import Digits
from pptp_jax.models import mlp
from pptp_jax.training import undefended

audit = CanaryAudit(
    name="tiny", data=Digits(), model=mlp([8], num_classes=10), recipes=(undefended(1),),
    canaries=40, held_out=40, examples=160, runs=8,
)
"""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, rng = tmp_path_factory.mktemp("given"), np.random.default_rng(0)
    membership = rng.permuted(np.tile(np.arange(6) < 3, (40, 1)), axis=1).T
    np.savez(home / "s.npz", losses=rng.exponential(size=(6, 40)))
    np.savez(home / "m.npz", membership=membership)
    np.savez(home / "t.npz", membership=membership.T)
    return home


def test_an_audit_of_given_signals_prints_its_table_and_leaves_its_files(given: Path) -> None:
    out = given / "out"
    result = pptp(
        *("audit", "--signals", given / "s.npz", "--membership", given / "m.npz"),
        *("--out", out, "--resamples", 20),
        *("--attack", "loss", "--attack", "entropy", "--attack", "rmia_online"),
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("s: 6 models, 6 of them attacked, on 40 examples")
    assert (
        "not possible: entropy: it reads logits and labels, which were not given" in result.stdout
    )
    assert (out / "table.txt").read_text().strip() in result.stdout
    results = json.loads((out / "results.json").read_text())
    assert list(results["rows"][0]["attacks"]) == ["loss", "rmia_online"]
    assert results["command"].endswith("--attack rmia_online --resamples 20")
    for name in ("roc.png", "report.html", "scores/given.npz"):
        assert (out / name).is_file()


@pytest.mark.parametrize(
    ("signals", "membership", "message"),
    [
        ("s.npz", None, "Missing option '--membership'"),
        (None, "m.npz", "Missing option '--signals'"),
        ("s.npz", "none.npz", "none.npz' does not exist."),
        ("s.npz", "t.npz", "membership is transposed, hand over membership.T"),
        ("m.npz", "m.npz", "there are no signals: give logits, confidence (φ) or losses"),
        ("s.npz", "s.npz", "there is no array `membership`"),
        ("s.npz", "m.npz --attack lyra_online", "is unknown; did you mean 'lira_online'?"),
        ("s.npz", "m.npz --resamples 0", "0 is not in the range x>=1"),
    ],
)
def test_wrong_arguments_of_an_audit(
    given: Path, signals: str | None, membership: str | None, message: str
) -> None:
    args = [] if signals is None else ["--signals", given / signals]
    if membership is not None:
        path, *rest = membership.split()
        args += ["--membership", given / path, *rest]
    result = pptp("audit", *args)
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output


def test_canaries_print_their_table_and_leave_their_files(tmp_path: Path) -> None:
    path, out = tmp_path / "tiny.py", tmp_path / "out"
    path.write_text(AUDIT)
    result = pptp("canaries", path, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("tiny: digits, 40 canaries with wrong labels among 120 places")
    assert (out / "audit.txt").read_text().strip() in result.stdout
    assert json.loads((out / "audit.json").read_text())["runs"] == 8
    assert (out / "scores" / "undefended_1.npz").is_file()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["rnu"], "No such command 'rnu'. Did you mean 'run'?"),
        (["run", "STUDY", "--uot", "x"], "No such option '--uot'. Did you mean '--out'?"),
        (["run"], "Missing argument 'STUDY'"),
        (["run", "none.py"], "none.py: there is no such file"),
        (["run", "STUDY", "--recipe", "frieze"], "'frieze' is unknown; did you mean 'freeze'?"),
        (["run", "STUDY", "--data", "x.npz"], "they take no path: x.npz"),
        (["run", "STUDY", "--out", "STUDY"], "is a file."),
        (["run", "STUDY", "--strategy", "pmap"], "'pmap' is not one of 'measured', 'vmap'"),
        (["run", "STUDY", "--devices", "9"], "devices must be at most the 8 of this process"),
        (["canaries"], "Missing argument 'AUDIT'"),
        (["canaries", "none.py"], "none.py: there is no such file; an audit is a Python file"),
        (["canaries", "STUDY"], "must define `audit`, a pptp_jax.audit.CanaryAudit, got NoneType"),
        (["report"], "Missing argument 'DIR'"),
        (["report", "none"], "none: there is no such directory; give the one of a run"),
        (["report", "STUDY"], "tiny.py: there is no such directory"),
    ],
)
def test_wrong_arguments(study: Path, args: list[str], message: str) -> None:
    result = pptp(*[study if arg == "STUDY" else arg for arg in args])
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_study_that_fails_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import pptp_jax.nothing\n")
    result = pptp("run", path)
    assert result.exit_code == 1
    assert "broken.py: No module named 'pptp_jax.nothing'" in result.output


def test_help_imports_nothing_slow() -> None:
    code = (
        "import sys; from pptp_jax.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'jax', 'flax', 'optax', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Commands:" in out.stdout and out.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("flags", "own", "filled"),
    [
        ([], None, "user/pptp_jax/compiled"),
        ([], "mine", "mine"),
        (["--no-cache"], "mine", None),
    ],
)
def test_compiled_programs_are_kept(
    tmp_path: Path, flags: list[str], own: str | None, filled: str | None
) -> None:
    (tmp_path / "compiles.py").write_text("import jax\njax.jit(lambda x: x + 1)(1.0)\n")
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    env |= {"PYTHONPATH": str(Path(__file__).parents[1]), "XDG_CACHE_HOME": str(tmp_path / "user")}
    env["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    if own is not None:
        env["JAX_COMPILATION_CACHE_DIR"] = str(tmp_path / own)
    command = [sys.executable, "-c", "from pptp_jax.cli import main; main()", *flags]
    command += ["run", "compiles.py"]
    out = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert "the file must define `study`" in out.stderr
    kept = {path for path in (tmp_path / "user/pptp_jax", tmp_path / "mine") if path.exists()}
    if filled is None:
        assert kept == set()
    else:
        assert any((tmp_path / filled).iterdir()) and len(kept) == 1


def test_sigterm_saves_and_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "preempted.py"
    path.write_text(
        STUDY.replace("undefended(1)", "undefended(3)")
        + """
import signal
from pptp_jax.interruption import Interruption
real = Interruption.asked
def preempted(self):
    if not real(self):
        signal.raise_signal(signal.SIGTERM)
        return False  # it comes in the middle of the next epoch
    return True
Interruption.asked = preempted
"""
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", "from pptp_jax.cli import main; main()", "run", str(path)]
    command += ["--strategy", "scan"]
    out = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert out.stderr == "interrupted; the same command goes on from here\n"
    assert out.returncode == 143
    [kept] = tmp_path.rglob("checkpoint-0")
    assert Checkpoint(kept).latest() == 2


def test_ctrl_c_leaves_a_run_that_goes_on(study: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        STUDY.replace("undefended(1)", "undefended(3)")
        + """
import pptp_jax.study.fleets as fleets
real = fleets.collect
def interrupted(*args, **kwargs):
    raise KeyboardInterrupt
fleets.collect = interrupted
"""
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", "from pptp_jax.cli import main; main()", "run", str(slow)]
    command += ["--strategy", "scan"]
    out = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert out.returncode == 130
    assert out.stderr == "interrupted; the same command goes on from here\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--processes", 2), "--coordinator, --processes and --process go together"),
        (("--coordinator", "here:1", "--process", 0), "and --process go together"),
        (("--distributed", "--process", 0), "--distributed finds the processes in the environment"),
        (
            ("--coordinator", "here:1", "--processes", 2, "--process", 2),
            "it is at most 1 of 2 processes, got 2",
        ),
    ],
)
def test_processes_are_said_whole(study: Path, options: tuple[object, ...], said: str) -> None:
    result = pptp("run", study, *options)
    assert result.exit_code == 2 and said in " ".join(result.stderr.split())
