"""The width of the house: short parameter lists, short files, and modules named by nouns."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pptp_jax
from pptp_jax.models import BUILDERS

PACKAGE = Path(pptp_jax.__file__).parent
PARAMETERS, LINES = 8, 300
# Nouns of the field, and of English, that end as participles do.
NOUNS = {"accounting", "label_smoothing", "pooling", "sampling", "setting"}


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Each function of a module, with the number of parameters that a call can give."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            yield node.name, sum(one.arg not in ("self", "cls") for one in given)


def test_what_counts_as_a_parameter() -> None:
    source = "def f(self, a, /, b, *c, d=1, **e):\n    async def g(): ..."
    assert list(functions(source)) == [("f", 3), ("g", 0)]


def test_few_functions_have_more_than_eight_parameters() -> None:
    """Commands have, and functions that build a network, whose sizes are as many as they are."""
    wide = [
        f"{path.relative_to(PACKAGE)}: {name} has {count}"
        for path in PACKAGE.rglob("*.py")
        if path.parent != PACKAGE / "cli"
        for name, count in functions(path.read_text())
        if count > PARAMETERS and name not in BUILDERS
    ]
    assert not wide


def test_no_file_has_more_than_three_hundred_lines() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not {path.name: count for path, count in lines.items() if count > LINES}


def test_modules_are_named_by_nouns() -> None:
    names = {path.stem for path in PACKAGE.rglob("*.py")}
    assert {name for name in names if name.endswith(("ed", "ing"))} == NOUNS
