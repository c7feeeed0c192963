"""A user's Python file: it runs as `python FILE` runs it, and what fails in it is named."""

import sys
from pathlib import Path

import pytest

from pptp_jax.study.load import importable_beside, load_defined
from pptp_jax.validation import Refused


def written(directory: Path, **files: str) -> Path:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    return directory / "study.py"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"study": "\n1 / 0"}, r"study.py: ZeroDivisionError: division by zero\n  at .*2$"),
        ({"study": "x = 1\ny = (2,"}, r"SyntaxError: '\(' was never closed: y = .*\n  at .*2$"),
        ({"study": "\nassert 1 > 2"}, r"study.py: AssertionError\n  at .*study.py, line 2$"),
        ({"study": "{}['no']"}, r"study.py: KeyError: 'no'\n  at .*study.py, line 1$"),
        ({"study": "import sys\nsys.exit(3)"}, r"sys.exit\(3\)\n  at .*study.py, line 2$"),
        ({"study": "x = 1\0"}, r"study.py: \w+: source code string cannot contain null bytes$"),
        ({"study": "def f(): f()\nf()"}, r"RecursionError: .*\n  at .*line 2\n  at .*line 1$"),
        (
            {"study": "import helper\nhelper.half(0)", "helper": "def half(x):\n    return 1 / x"},
            r"ZeroDivisionError: .*\n  at .*study.py, line 2\n  at .*helper.py, line 2$",
        ),
        (
            {"study": "import helper", "helper": "x = ["},
            r"SyntaxError: .*: x = \[\n  at .*study.py, line 1\n  at .*helper.py, line 1$",
        ),
        (
            {"study": "from pptp_jax.training import undefended\nundefended(-1)"},
            r"study.py: epochs must be an integer .* got -1\n  at .*study.py, line 2$",
        ),
    ],
)
def test_what_fails_in_a_file_is_named(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(Refused, match=message):
        load_defined(written(tmp_path, **files), "x", int)


def test_ctrl_c_in_a_file_is_no_fault_of_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_defined(written(tmp_path, study="raise KeyboardInterrupt"), "x", int)


def test_each_file_imports_what_lies_beside_it_and_leaves_no_trace(tmp_path: Path) -> None:
    paths, loaded = [*sys.path], set(sys.modules)
    for i, name in enumerate(("one", "two")):
        home = tmp_path / name
        study = "from helper import x\nfrom parts.inner import y\nfrom bare.inner import z\n"
        path = written(home, study=study + "total = x + y + z", helper=f"x = {i}")
        for part, letter in (("parts", "y"), ("bare", "z")):
            (home / part).mkdir()
            (home / part / "inner.py").write_text(f"{letter} = {10 * i}")
        (home / "parts" / "__init__.py").touch()
        assert load_defined(path, "total", int) == 21 * i
    with pytest.raises(Refused, match="ModuleNotFoundError: No module named 'missing'"):
        load_defined(written(tmp_path, study="import missing"), "x", int)
    assert sys.path == paths
    assert not {"helper", "parts", "parts.inner", "bare", "bare.inner"} & set(sys.modules)
    assert loaded <= set(sys.modules)


def test_what_is_installed_below_a_directory_is_not_forgotten(tmp_path: Path) -> None:
    """A virtual environment in the project: NumPy's modules can be imported only once."""
    installed = tmp_path / "venv" / "site-packages"
    written(tmp_path, study="import numpy_like\nx = 1")
    installed.mkdir(parents=True)
    (installed / "numpy_like.py").touch()
    sys.path.append(str(installed))
    try:
        assert load_defined(tmp_path / "study.py", "x", int) == 1
        assert "numpy_like" in sys.modules
    finally:
        sys.path.remove(str(installed))
        sys.modules.pop("numpy_like", None)


def test_modules_stay_while_somebody_else_may_need_them(tmp_path: Path) -> None:
    """As `pptp run` does: functions of the study may import what lies beside it later."""
    path = written(tmp_path, study="import later_helper\nx = 1", later_helper="")
    with importable_beside(path):
        assert load_defined(path, "x", int) == 1
        first = sys.modules["later_helper"]
        import later_helper

        assert later_helper is first
    assert "later_helper" not in sys.modules


def test_an_error_of_any_class_is_named(tmp_path: Path) -> None:
    text = "class Odd(BaseException): pass\nraise Odd('no study')"
    with pytest.raises(Refused, match="Odd: no study"):
        load_defined(written(tmp_path, study=text), "x", int)
    with pytest.raises(KeyboardInterrupt):
        load_defined(written(tmp_path, study="raise KeyboardInterrupt"), "x", int)


def test_a_long_line_is_shown_in_part(tmp_path: Path) -> None:
    path = written(tmp_path, study="x = " + "(" * 500 + ")" * 500)
    with pytest.raises(Refused, match="SyntaxError: too many nested") as refused:
        load_defined(path, "x", int)
    assert len(str(refused.value)) < 500
