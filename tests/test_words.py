"""Pages, help and error messages keep to plain English: no word that the house has given up."""

import ast
import re
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
    r"hold(s|ing)? \S+( \S+)? against": "compare",
    r"in words": "as a sentence",
    r"so many": "a number",
    r"stands? still": "is frozen",
    r"who(m|so)?ever": "who",
    r"whole": "entire",
}
# Names of recipes in results, and of functions.
NAMES = re.compile(r"`[^`]*`|```.*?```|whole network \(|whole_network|\| whole network [0-9]", re.S)


def found(text: str) -> list[str]:
    text = NAMES.sub("", text)
    return [
        f"{hit[0]}: write {instead}"
        for banned, instead in BANNED.items()
        for hit in re.finditer(rf"\b({banned})\b", text, flags=re.I)
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
