"""`pptp ledger`."""

import json
from pathlib import Path

import numpy as np
import pytest
from invoking import pptp

RUN = ("--batch-size", 5, "--steps", 40, "--delta", 1e-5)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("given")
    (home / "group.csv").write_text("epsilon, examples, who\n8,10,us\n2,90,them\n")
    (home / "each.csv").write_text("epsilon\n" + "8\n" * 10 + "2\n" * 90)
    np.savez(home / "each.npz", epsilon=[8.0] * 10 + [2.0] * 90)
    (home / "empty.csv").write_text("")
    (home / "none.csv").write_text("epsilon,examples\n")
    (home / "other.csv").write_text("budget,examples\n8,1\n")
    (home / "odd.csv").write_text("epsilon,examples\n8,1\nmuch,2\n")
    (home / "part.csv").write_text("epsilon,examples\n8,1.5\n")
    (home / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    np.savez(home / "other.npz", budget=np.ones(3))
    return home


def test_a_group_of_budgets_is_a_table(given: Path) -> None:
    result = pptp("ledger", given / "group.csv", *RUN, "--max-divergence", 0.05)
    assert result.exit_code == 0, result.output
    first = result.stdout.splitlines()[0]
    assert first.startswith("100 examples, budgets kept by sampling: noise multiplier ")
    assert "The contract of ε = 8 is broken: Δ is 0." in result.stdout
    assert "the holders of ε = 2 break it." in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100 + len(
        "; the holders of ε = 2 break it."
    )


def test_lines_may_stand_for_several_examples_or_for_one(given: Path) -> None:
    found = [
        json.loads(pptp("ledger", given / name, *RUN, "--json").stdout)
        for name in ("group.csv", "each.csv", "each.npz")
    ]
    assert found[0] == found[1] == found[2]
    large, small = found[0]["budgets"]
    assert large["rate"] > 0.05 > small["rate"] and large["norm"] == small["norm"] == 1
    assert large["advantage"] > large["baseline"] and small["advantage"] < small["baseline"] + 0.01


def test_clipping_keeps_every_contract(given: Path) -> None:
    options = ("--by", "clipping", "--max-divergence", 0.01, "--json")
    found = json.loads(pptp("ledger", given / "group.csv", *RUN, *options).stdout)
    assert [row["kept"] for row in found["budgets"]] == [True, True]
    assert found["budgets"][0]["norm"] > 1 > found["budgets"][1]["norm"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "Missing argument 'BUDGETS'"),
        ("no.csv", "no.csv' does not exist."),
        ("empty.csv", "there is no column epsilon in its first line; it has nothing"),
        ("none.csv", "there is no budget under its first line"),
        ("other.csv", "there is no column epsilon in its first line; it has budget, examples"),
        ("odd.csv", "odd.csv, line 3: epsilon must be a number above 0, got 'much'"),
        ("part.csv", "line 2: examples must be an integer of at least 1, got '1.5'"),
        ("binary.csv", "binary.csv is no text"),
        ("other.npz", "give one array, epsilon (examples,); there is budget"),
        ("each.csv --delta 2", "delta must lie between 0 and 1"),
        ("each.csv --batch-size 1000", "at most the number of examples, 100; got 1000"),
        ("each.csv --by luck", "'luck' is not one of 'sampling', 'clipping'"),
        ("each.csv --max-divergence 3", "max_divergence must lie between 0 and 1, got 3"),
    ],
)
def test_wrong_arguments_of_a_ledger(given: Path, words: str, message: str) -> None:
    args = [given / word if "." in word else word for word in words.split()]
    result = pptp("ledger", *RUN, *args)
    assert result.exit_code != 0
    assert message in result.output and "Traceback" not in result.output
