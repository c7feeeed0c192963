"""Pages, help, messages, docstrings, comments and names of tests use none of the banned words."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pptp_jax.cli import main
from pptp_jax.report.page.sections import SECTIONS

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CITATION.cff")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / ".github").rglob("*.yml")),
]
# Each with what to write instead.
BANNED = {
    r"anew": "again",
    r"asked": "queried, read, required",
    r"told": "significant, identified, found",
    r"flatters?": "favours",
    r"(held|hold(s|ing)?)( \S+){0,2} against": "compare",
    r"in words": "as a sentence",
    r"so many": "a number",
    r"stands? still": "is frozen",
    r"who(m|so)?ever": "who",
    r"whole": "entire",
}
# Banned in code as well; pages may still have them.
BANNED_IN_CODE = BANNED | {
    r"(gives?|gave|given|giving) away": "leak",
    r"by heart": "memorise",
    r"hangs? on": "depend on",
    r"speaks? against": "contradict, a threat to validity",
    r"work(s|ed|ing)? off": "execute, train",
}
ANY = re.compile(rf"\b({'|'.join(BANNED_IN_CODE)})\b", re.I)
# Names of recipes in results, and of functions.
NAMES = re.compile(r"`[^`]*`|```.*?```|whole network \(|whole_network|\| whole network [0-9]", re.S)


def found(text: str, banned: dict[str, str] = BANNED) -> list[str]:
    text = NAMES.sub("", text)
    if not ANY.search(text):
        return []
    return [
        f"{hit[0]}: write {instead}"
        for word, instead in banned.items()
        for hit in re.finditer(rf"\b({word})\b", text, flags=re.I)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages(page: Path) -> None:
    assert found(page.read_text(encoding="utf-8")) == []


def commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from commands(command)


@pytest.mark.parametrize("command", [main, *commands(main)], ids=lambda command: command.name)
def test_help(command: click.Command) -> None:
    helps = [getattr(parameter, "help", None) for parameter in command.params]
    assert found(" ".join(filter(None, [command.help, *helps]))) == []


def test_first_lines_of_commands_are_not_cut_off() -> None:
    assert max(len(command.get_short_help_str(200)) for command in commands(main)) <= 45


def test_first_lines_of_commands_need_no_glossary() -> None:
    terms = "fleet|hull|stop|region|block|cut|canar|recipe|shadow|risk map|extra"
    lines = [command.get_short_help_str(200) for command in commands(main)]
    assert [line for line in lines if re.search(rf"\b({terms})", line, re.I)] == []


def messages(tree: ast.AST) -> Iterator[str]:
    """The texts that errors are raised with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in {"Refused", "UsageError", "BadParameter", "Damaged"}:
                for part in ast.walk(node):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield part.value


@pytest.mark.parametrize(
    "folder", sorted(path.parent.name for path in (ROOT / "pptp_jax").glob("*/__init__.py"))
)
def test_messages(folder: str) -> None:
    wrong = {}
    for path in sorted((ROOT / "pptp_jax" / folder).rglob("*.py")):
        hits = found(" ".join(messages(ast.parse(path.read_text(encoding="utf-8")))))
        if hits:
            wrong[path.name] = hits
    assert wrong == {}


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The prose of docstrings with their first lines; doctests and names of fields are code."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(first := node.body[0], ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            yield first.lineno, re.sub(r"(?m)^ *(>>>|\.\.\.).*$|^ +\w+:", "", first.value.value)


def comments(path: Path) -> Iterator[tuple[int, str]]:
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def functions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The names of functions as words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name.replace("whole_network", "").replace("_", " ")


def hits(path: Path) -> list[str]:
    """Each banned word in the prose of a Python file, with its place."""
    text = path.read_text(encoding="utf-8")
    # Parsing is slow, and most files have none of the words.
    if not ANY.search(re.sub(r"[\s_#]+", " ", text)):
        return []
    tree = ast.parse(text)
    prose = [*docstrings(tree), *comments(path)]
    if (ROOT / "tests") in path.parents:
        prose += functions(tree)
    name = path.relative_to(ROOT)
    return [
        f"{name}:{line}: {hit}"
        for line, said in sorted(prose)
        for hit in found(re.sub(r"\s+", " ", said), BANNED_IN_CODE)
    ]


@pytest.mark.parametrize("folder", ["pptp_jax", "experiments", "benchmarks", "tests"])
def test_docstrings_and_comments(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert [hit for path in paths for hit in hits(path)] == []


def test_words_are_found_where_python_has_prose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    path = tmp_path / "tests" / "test_it.py"
    lines = (
        '"""It has so',
        "many words.",
        ">>> asked = 1",
        '"""',
        "def test_all_is_told() -> None:",
        '    whole = "anew"  # told',
    )
    path.write_text("\n".join(lines), encoding="utf-8")
    assert hits(path) == [
        "tests/test_it.py:1: so many: write a number",
        f"tests/test_it.py:5: told: write {BANNED['told']}",
        f"tests/test_it.py:6: told: write {BANNED['told']}",
    ]
    (tmp_path / "other.py").write_text("\n".join(lines[4:]), encoding="utf-8")
    assert len(hits(tmp_path / "other.py")) == 1


def test_a_banned_word_is_found() -> None:
    assert found("It is told anew.") == ["anew: write again", f"told: write {BANNED['told']}"]
    assert found("`told` and whole_network, a tale") == []


def page_sentences() -> Iterator[tuple[str, str]]:
    """The report's template without its code, and the texts of the modules that fill it."""
    room, code = ROOT / "pptp_jax" / "report" / "page", r"\{[{%#].*?[}%#]\}|<[^>]*>"
    for path in sorted(room.glob("*.jinja")):
        yield path.name, re.sub(code, " ", path.read_text(encoding="utf-8"), flags=re.S)
    for path in sorted(room.glob("*.py")):
        nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
        docs = {id(one.value) for one in nodes if isinstance(one, ast.Expr)}
        texts = [one for one in nodes if isinstance(one, ast.Constant) and id(one) not in docs]
        yield path.name, " ".join(one.value for one in texts if " " in str(one.value))


def test_the_report_page() -> None:
    assert {name: hits for name, text in page_sentences() if (hits := found(text))} == {}


def test_sections_of_the_report_begin_with_short_sentences() -> None:
    for section in SECTIONS.values():
        sentences = re.split(r"[.:;?] ", section.lead)
        assert len(sentences) <= 4 and max(len(one.split()) for one in sentences) <= 25, section


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_pages_begin_with_what_the_reader_can_do(page: Path) -> None:
    assert "After this page you " in page.read_text(encoding="utf-8").partition("\n## ")[0]
