"""`pptp run --dry-run` of whatever file is given as a study, and whatever stands in it."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fuzzing import Case, cases, check_exit, contents, ending, pptp
from small_data import arrays

STUDY = """\
from pptp_jax.data import Balanced, Npz
from pptp_jax.models import mlp
from pptp_jax.study import Study
from pptp_jax.training import SGD, freeze, undefended

study = Study(
    name="tiny", data=Npz("data.npz"), model=mlp([3], num_classes=2), split=Balanced(models=4),
    batch_size=5, resamples=5, seed=0, attacks=("loss",), optimizer=SGD(learning_rate=0.1),
    recipes=(undefended(1), freeze("stem", after=1, more=1)),
)
"""
VALUES = (
    *("-1", "0", "3", "10**400", "0.5", "float('nan')", "True", "None", "''", "'stem'", "()"),
    *("(1,)", "[1]", "{}", "print", "1j", "b'x'", "x", "1 +", "lambda steps: None", "Study"),
)
# What stands in the file, to be replaced by one of the values.
PLACES = (
    *(
        '"tiny"',
        'Npz("data.npz")',
        '"data.npz"',
        "mlp([3], num_classes=2)",
        "[3]",
        "=2",
        "=4",
        "=5",
    ),
    *("Balanced(models=4)", "seed=0", '("loss",)', '"loss"', "SGD(learning_rate=0.1)", "0.1"),
    *("undefended(1)", '"stem"', "after=1", "more=1", "Study("),
)
# What is wrong with the entire file.
TEXTS: dict[str, Callable[[Case], str | bytes]] = {
    "empty": lambda case: "",
    "no study": lambda case: STUDY.replace("study =", "studies ="),
    "a class": lambda case: STUDY + "study = Study\n",
    "a tuple": lambda case: STUDY + "study = study, study\n",
    "cut": lambda case: STUDY[: case.rng.integers(STUDY.index("\n)\n"))],
    "tabs": lambda case: STUDY + "if True:\n\tx = 1\n        y = 2\n",
    "a null": lambda case: STUDY + "\0",
    "no utf-8": lambda case: STUDY.encode() + b"# \xff\n",
    "noise": lambda case: case.rng.bytes(100),
    "an array": lambda case: b"\x93NUMPY\x01\x00" + bytes(100),
    "an exit": lambda case: STUDY + "import sys\nsys.exit(3)\n",
    "an exit without a word": lambda case: STUDY + "raise SystemExit\n",
    "an empty error": lambda case: STUDY + "assert False\n",
    "an error of another kind": lambda case: (
        STUDY + "class Odd(BaseException): pass\nraise Odd('no study')\n"
    ),
    "an endless call": lambda case: STUDY + "f = lambda: f()\nf()\n",
    "a missing package": lambda case: "import nothing_of_that_name\n" + STUDY,
    "a missing name": lambda case: STUDY.replace("freeze,", "freez,"),
    "an unknown field": lambda case: STUDY.replace("batch_size", "batchsize"),
    "no recipes": lambda case: STUDY.replace("recipes=", "#"),
    "twice the same": lambda case: STUDY.replace("resamples=5", "resamples=5, batch_size=5"),
    "a brace too many": lambda case: STUDY + ")\n",
    "deep brackets": lambda case: STUDY + "x = " + "(" * 500 + ")" * 500 + "\n",
}
# The same study in another form.
SAME: dict[str, Callable[[Case], str | bytes]] = {
    "as it is": lambda case: STUDY,
    "two studies": lambda case: STUDY.replace("tiny", "other") + STUDY,
    "with a mark": lambda case: "\ufeff".encode() + STUDY.encode(),
    "with other line ends": lambda case: STUDY.replace("\n", "\r\n").encode(),
    "in latin-1": lambda case: (
        "# -*- coding: latin-1 -*-\n# é\n".encode("latin-1") + STUDY.encode()
    ),
}
OPTIONS: dict[str, tuple[str, ...]] = {
    "an unknown recipe": ("--recipe", "frieze"),
    "an empty recipe": ("--recipe", ""),
    "an unknown attack": ("--compared", "lyra"),
    "no data": ("--data", "nowhere.npz"),
    "a directory of data": ("--data", "."),
    "an unknown strategy": ("--strategy", "pmap"),
    "no devices": ("--strategy", "vmap", "--devices", "0"),
    "devices below zero": ("--strategy", "vmap", "--devices", "-1"),
    "too many devices": ("--strategy", "vmap", "--devices", "1000"),
    "too many data devices": ("--strategy", "vmap", "--data-devices", "1000"),
    "an unknown option": ("--recipes", "freeze"),
    "two studies": ("study.py",),
}
NAMES = (
    "study.py",
    "study.txt",
    "study",
    "a b.py",
    "é.py",
    "[red].py",
    "numpy.py",
    ".py",
    "study.PY",
)


@cases("study_files")
@pytest.mark.usefixtures("no_probe")
def test_study_files_are_checked_or_refused(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "data.npz", **arrays())
    name = "study.py" if case.chance(0.7) else case.one(NAMES)
    text, same = _text(case)
    content = text.encode() if isinstance(text, str) else text
    if case.chance(0.04):
        os.mkdir(name)
        same = False
    else:
        Path(name).write_bytes(content)
    args = case.named(OPTIONS) if case.chance(0.15) else ()
    old = contents(tmp_path)
    with ending(case), warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of the study's own code
        result = pptp("run", name, "--dry-run", *args)
        passed = check_exit(result)
        assert contents(tmp_path) == old, "a dry run writes nothing"
        if passed:
            assert not args and name.endswith(".py"), "this must be refused"
            assert "Nothing was trained or written." in result.stdout
        if same and not args and name.endswith(".py") and name != ".py":
            assert passed, result.output


def _text(case: Case) -> tuple[str | bytes, bool]:
    """What stands in the file, and whether that is a study which must be taken."""
    way = case.rng.integers(5)
    if way == 0:
        return case.named(SAME)(case), True
    if way in (1, 2):
        return case.named(TEXTS)(case), False
    text = STUDY
    for _ in range(case.several()):
        place = case.one(PLACES)
        head = place.partition("=")[0] + "=" if "=" in place and place.count("(") == 0 else ""
        text = text.replace(place, head + case.one(VALUES), 1)
    return text, False
