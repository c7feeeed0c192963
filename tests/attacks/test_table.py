"""The table of docs/attacks.md is the registry."""

from pathlib import Path

from pptp_jax.attacks import ATTACKS, Attack

PAGE = Path(__file__).parents[2] / "docs" / "attacks.md"


def needed(attack: Attack) -> str:
    parts = [
        f"{number} {kind}"
        for number, kind in ((attack.min_in_shadows, "IN"), (attack.min_out_shadows, "OUT"))
        if number
    ]
    if attack.min_shadows:
        parts.append(f"{attack.min_shadows} in all")
    return ", ".join(parts) or "none"


def line(attack: Attack) -> str:
    names = [part if isinstance(part, str) else part.name for part in attack.reads]
    reads = ", ".join(f"`{name}`" for name in names)
    cells = (
        f"`{attack.name}`",
        attack.title,
        attack.access,
        needed(attack),
        reads,
        attack.source,
        attack.deviations or "none",
    )
    return "| " + " | ".join(cells) + " |"


def test_the_table_lists_every_attack_as_the_registry_has_it() -> None:
    table = PAGE.read_text().partition("## All of them")[2].partition("\n## ")[0]
    found = [row for row in table.splitlines() if row.startswith("| `")]
    assert found == [line(attack) for attack in ATTACKS.values()]


def test_every_attack_names_an_arxiv_paper_and_keeps_its_key() -> None:
    for name, attack in ATTACKS.items():
        assert attack.name == name and "arXiv" in attack.source
        assert attack.function.__name__ == name and attack.function.__doc__
