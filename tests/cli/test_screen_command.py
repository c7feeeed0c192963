"""`pptp screen`."""

import json
from pathlib import Path

import numpy as np
import pytest
from invoking import pptp


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, rng = tmp_path_factory.mktemp("given"), np.random.default_rng(0)
    membership = np.arange(200) % 2 == 0
    losses = rng.exponential(size=200) * np.where(membership, 0.3, 1.0)
    inputs = rng.integers(0, 5, size=(200, 3))
    np.savez(home / "s.npz", losses=losses, inputs=inputs)
    np.savez(home / "m.npz", membership=membership)
    np.savez(home / "both.npz", losses=losses, membership=membership)
    np.savez(home / "many.npz", losses=np.ones((2, 9)), membership=np.arange(9) % 2 == [[0], [1]])
    return home


def test_a_screen_prints_a_sentence_and_writes_nothing(given: Path) -> None:
    before = sorted(given.iterdir())
    options = ("--parameters", 5000, "--identifying", 0, "--identifying", 2, "--resamples", 20)
    result = pptp("screen", given / "s.npz", given / "m.npz", *options)
    assert result.exit_code == 0, result.output
    first, *_, last = result.stdout.splitlines()
    assert first == "s: one model, 100 members, 100 non-members"
    assert last.startswith("A fleet is worth its time: ") and "% of the non-members" in last
    for part in (
        "parameters: 5,000, 50 for each member",
        "smallest group: ",
        "equal in columns 0, 2",
        "gap in loss: 0.",
        "where 0.01 is chance",
        "without the model: inputs alone do not distinguish members from non-members",
        "copies: ",
    ):
        assert part in result.stdout
    assert sorted(given.iterdir()) == before


def test_a_screen_in_json_is_the_same(given: Path) -> None:
    found = json.loads(pptp("screen", given / "both.npz", "--json", "--resamples", 20).stdout)
    assert found["verdict"] == "worth it" and found["blind"] is None
    assert found["parameters"] is None and found["accuracy"] is None
    assert found["sentence"] in pptp("screen", given / "both.npz", "--resamples", 20).stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "Missing argument 'ANSWERS...'"),
        ("none.npz", "none.npz' does not exist."),
        ("s.npz", "there is no array `membership`"),
        ("m.npz", "there are no signals: give logits, confidence (φ) or losses"),
        ("many.npz", "a screen looks at one model, and there are 2"),
        ("both.npz --parameters 0", "0 is not in the range x>=1"),
        ("both.npz --parameters many", "'many' is not a valid integer"),
        ("both.npz --resamples 0", "0 is not in the range x>=1"),
        ("both.npz --identifying -1", "-1 is not in the range x>=0"),
        ("both.npz --identifying 0", "identifying columns are those of inputs of shape"),
        ("s.npz m.npz --identifying 3", "identifying columns must be below 3"),
        ("s.npz both.npz", "losses is in another of the files as well"),
        ("both.npz --attack loss", "No such option '--attack'"),
    ],
)
def test_wrong_arguments_of_a_screen(given: Path, words: str, message: str) -> None:
    args = [given / word if word.endswith(".npz") else word for word in words.split()]
    result = pptp("screen", *args)
    assert result.exit_code != 0
    assert message in result.output and "Traceback" not in result.output
