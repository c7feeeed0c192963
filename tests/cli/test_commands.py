"""What holds of all commands: wrong arguments, light imports, the user's cache."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from invoking import STUDY, pptp, pptp_process


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["rnu"], "No such command 'rnu'. Did you mean 'run'?"),
        (
            ["run", "STUDY", "--stratgy", "x"],
            "No such option '--stratgy'. Did you mean '--strategy'?",
        ),
        (["run"], "STUDY is missing: a Python file"),
        (["run", "none.py"], "none.py: there is no such file"),
        (["run", "quikstart"], "quikstart: there is no such file; did you mean 'quickstart'?"),
        (["locate", "HOME/tinny.py"], "tiny.py'? A study is a Python file"),
        (["run", "STUDY", "--compared", "LiRA"], "is unknown; did you mean 'lira_online'?"),
        (["run", "STUDY", "--recipe", "frieze"], "'frieze' is unknown; did you mean 'freeze'?"),
        (["run", "STUDY", "--data", "x.npz"], "they take no path: x.npz"),
        (["run", "STUDY", "--out", "STUDY"], "is a file."),
        (["run", "STUDY", "--out", ""], "the name of the directory is empty"),
        (["run", "STUDY", "--out", "STUDY/in"], "Not a directory"),
        (["run", "STUDY", "--strategy", "pmap"], "'pmap' is not one of 'measured', 'vmap'"),
        (["run", "STUDY", "--devices", "9"], "devices must be at most the 8 of this process"),
        (["canaries"], "Missing argument 'AUDIT'"),
        (["canaries", "none.py"], "none.py: there is no such file; an audit is a Python file"),
        (
            ["canaries", "STUDY"],
            "must define `audit`, a pptp_jax.audit.CanaryAudit or GradientCanaryAudit or",
        ),
        (["report"], "Missing argument 'DIR'"),
        (["report", "none"], "none: there is no such directory; give the one of a run"),
        (["report", "STUDY"], "tiny.py: there is no such directory"),
    ],
)
def test_wrong_arguments(study: Path, args: list[str], message: str) -> None:
    places = {"STUDY": str(study), "HOME": str(study.parent)}
    for word, place in places.items():
        args = [arg.replace(word, place) for arg in args]
    result = pptp(*args)
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_study_that_fails_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import pptp_jax.nothing\n")
    result = pptp("run", path)
    assert result.exit_code == 1
    assert "broken.py: ModuleNotFoundError: No module named 'pptp_jax.nothing'\n" in result.output
    assert f"\n  at {path}, line 1\n" in result.output


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
    ("typed", "offered"),
    [("re", ["report"]), ("run --str", ["--strategy"]), ("list o", ["objectives"])],
)
def test_the_shell_completes_without_slow_imports(typed: str, offered: list[str]) -> None:
    words = f"pptp {typed}"
    code = (
        "import sys; from pptp_jax.cli import main\n"
        "try: main(prog_name='pptp')\n"
        "except SystemExit: pass\n"
        "assert not {'jax', 'flax', 'optax', 'numpy'} & set(sys.modules)"
    )
    env = {**os.environ, "_PPTP_COMPLETE": "bash_complete", "COMP_WORDS": words}
    env |= {"COMP_CWORD": str(len(typed.split())), "PYTHONPATH": str(Path(__file__).parents[2])}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert [line.split(",")[1] for line in out.stdout.splitlines()] == offered


@pytest.mark.parametrize(
    ("command", "offered"),
    [
        ("run loud.py --recipe", ["undefended", "undefended_1", "freeze", "freeze_1+1_stem"]),
        ("locate loud.py --recipe u", ["undefended", "undefended_1"]),
        ("run missing.py --recipe", []),
        ("run --recipe", []),
    ],
)
def test_the_shell_completes_the_recipes_of_a_study(
    tmp_path: Path, command: str, offered: list[str]
) -> None:
    (tmp_path / "loud.py").write_text(STUDY + "print('loud')\n")
    words = command.split()
    begun = words.pop() if len(words) == 4 else ""
    count = len(words) + 1
    env = {**os.environ, "_PPTP_COMPLETE": "bash_complete", "COMP_CWORD": str(count)}
    env["COMP_WORDS"] = " ".join(["pptp", *words, begun])
    out = pptp_process(cwd=tmp_path, env=env)
    assert out.stderr == ""
    assert [line.split(",")[1] for line in out.stdout.split()] == offered


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
    env["XDG_CACHE_HOME"] = str(tmp_path / "user")
    env["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    if own is not None:
        env["JAX_COMPILATION_CACHE_DIR"] = str(tmp_path / own)
    out = pptp_process(*flags, "run", "compiles.py", cwd=tmp_path, env=env)
    assert "the file must define `study`" in out.stderr
    kept = {path for path in (tmp_path / "user/pptp_jax", tmp_path / "mine") if path.exists()}
    if filled is None:
        assert kept == set()
    else:
        assert any((tmp_path / filled).iterdir()) and len(kept) == 1
