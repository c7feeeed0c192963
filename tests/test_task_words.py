"""Training, fleets, evaluation and reports know no task: they speak of none's words."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pptp_jax

PACKAGE = Path(pptp_jax.__file__).parent
ROOMS = ("training", "fleets", "evaluation", "report")
WORDS = {"logits", "argmax", "num_classes"}
# A stream of examples has classes, as long as there are streams of nothing else.
ALLOWED = {("training/stream_loop.py", "num_classes")}


def words(tree: ast.AST) -> Iterator[str]:
    """Names, attributes, arguments and strings of a module, but for its docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node) is not None
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings:
                yield from [*node.value.replace("_", " ").split(), node.value]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_no_task(room: str) -> None:
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert files
    found = {
        (path.relative_to(PACKAGE).as_posix(), word)
        for path in files
        for word in WORDS & set(words(ast.parse(path.read_text())))
    }
    assert found <= ALLOWED


def test_the_words_are_found_where_they_are() -> None:
    source = (
        '"""logits"""\ndef f(argmax):\n    """num_classes"""\n    return x.num_classes, "a logits"'
    )
    assert WORDS & set(words(ast.parse(source))) == WORDS
    assert not WORDS & set(words(ast.parse('def f():\n    """Of logits."""')))
