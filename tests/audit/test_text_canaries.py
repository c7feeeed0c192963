"""Text canaries: planted sequences, queries and coins."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.audit import TextCanaryAudit
from pptp_jax.data import Digits, Secrets, Topics
from pptp_jax.data.secrets import rows_of_secrets
from pptp_jax.models import gpt, mlp, save_variables
from pptp_jax.study.load import load_defined
from pptp_jax.training import selena, undefended

TOPICS = Topics(length=48)
ROOT = Path(__file__).parents[2]


def audit(**change) -> TextCanaryAudit:
    settings = {
        "name": "tiny",
        "data": TOPICS,
        "model": gpt(width=8, depth=1, heads=2, context=48),
        "recipes": (undefended(1),),
        "repetitions": (1, 2, 8),
        "canaries": (5, 3, 2),
        "fillings": 20,
        "held_out": 10,
        "examples": 60,
        "runs": 8,
        "batch_size": 10,
    }
    return TextCanaryAudit(**(settings | change))


def words(tokens: np.ndarray) -> str:
    return bytes(tokens[(tokens >= 0) & (tokens < 256)].tolist()).decode(errors="replace")


def test_the_experiment_is_an_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compile_in_haste: None
) -> None:
    """With a base in place of the one that it would train first."""
    monkeypatch.chdir(tmp_path)
    shapes = gpt(width=64, depth=2, heads=4, context=64).shapes(jnp.zeros((1, 64), jnp.int32))
    Path("runs").mkdir()
    nothing = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    save_variables(Path("runs", "audit_secrets_base.npz"), nothing)
    path = ROOT / "experiments" / "audit_secrets.py"
    found = load_defined(path, "audit", TextCanaryAudit)
    assert found.name == path.stem and found.model.public
    assert found.plant().places == 200 + 100 + 20 + 40 + 80


def test_what_is_planted() -> None:
    planted = audit(runs=300).plant()
    compared, data = planted.compared, planted.data
    assert planted.repetitions.tolist() == [1] * 5 + [2] * 3 + [8] * 2
    assert planted.places == 50 + 5 + 6 + 16
    # The records come first, and are as they were.
    plain = {words(row) for row in TOPICS.load().y}
    assert all(words(row) in plain for row in data.y[:60])
    texts = [words(data.y[row]) for row in compared.canaries]
    labels = {text.split()[3] for text in texts}
    assert len(labels) == 10 and all(len(text.split()) == 5 + 6 for text in texts)
    # The queries are the same tokens, with the secret alone for a target.
    np.testing.assert_array_equal(data.x[compared.canaries], data.x[compared.secrets])
    for text, row in zip(texts, compared.secrets, strict=True):
        prefix = len("the secret number abcd is ")
        assert words(data.y[row]) == text[prefix:]
        assert (data.y[row][:prefix] == -1).all() and (data.y[row][len(text) :] == -1).all()
    for text, rows in zip(texts, compared.fillings, strict=True):
        secret = text[-11:]
        others = [words(data.y[row]) for row in rows]
        assert len(others) == 20 and secret not in others and len(set(others)) > 15
        assert {words(data.x[row])[:21] for row in rows} == {text[:21]}
    assert not compared.exact


def test_coins_and_repetitions() -> None:
    planted = audit(runs=300).plant()
    rows = planted.members()
    assert rows.shape == (300, planted.places)
    there = np.where(rows < 0, -1 - rows, rows)
    for i, canary in enumerate(planted.compared.canaries):
        own = there == canary
        assert (own.sum(axis=1) == planted.repetitions[i]).all()
        # All repetitions are present, or all are absent, by one coin.
        present = (rows >= 0) & own
        np.testing.assert_array_equal(
            present.sum(axis=1), planted.present[:, i] * planted.repetitions[i]
        )
    assert abs(planted.present.mean() - 0.5) < 0.04
    pairs = np.corrcoef(planted.present.T) - np.eye(10)
    assert np.abs(pairs).max() < 0.25
    queried = np.concatenate([planted.compared.secrets, planted.compared.fillings.ravel()])
    assert not np.isin(np.concatenate([planted.held_out, queried]), there).any()
    np.testing.assert_array_equal(audit(runs=300).plant().members(), rows)
    assert (audit(runs=300, seed=1).plant().present != planted.present).any()


def test_all_fillings_of_a_small_space_are_queried() -> None:
    secrets = Secrets(template="pin {label}: {secret}", alphabet="abc", length=2, separator="")
    compared = audit(secrets=secrets).plant().compared
    assert compared.exact and compared.fillings.shape == (10, 8)
    for own, rows in zip(compared.secrets, compared.fillings, strict=True):
        found = {words(row) for row in planted_targets(compared, [own, *rows])}
        assert found == {a + b for a in "abc" for b in "abc"}


def planted_targets(compared, rows) -> np.ndarray:
    return compared.data.y[np.array(rows)]


def test_secrets_with_one_prefix_are_different_and_not_compared_with_each_other() -> None:
    secrets = Secrets(template="pin {secret}", length=2)
    compared = audit(secrets=secrets, fillings=90).plant().compared
    own = [words(row) for row in planted_targets(compared, compared.secrets)]
    assert len(set(own)) == 10 and compared.exact
    assert (compared.fillings == compared.fillings[0]).all() and compared.fillings.shape[1] == 90
    others = {words(row) for row in planted_targets(compared, compared.fillings[0])}
    assert len(others) == 90 and not others & set(own)


class Pairs:
    """Two characters a token: the secret's tokens are not its symbols."""

    vocabulary, boundary = 300, 299

    def encode(self, text: str) -> list[int]:
        pairs = [text[i : i + 2] for i in range(0, len(text), 2)]
        return [sum(map(ord, pair)) % 299 for pair in pairs]


def test_the_secret_is_the_tokens_that_differ() -> None:
    secrets = Secrets(template="odd {secret}", length=3, separator="", tokenizer=Pairs())
    found = rows_of_secrets(secrets, np.array([[1, 2, 3], [1, 2, 4]]), length=6)
    # "od", "d ", "12", "3": the last two.
    assert found.secret.tolist() == [[False, False, True, True, False, False]] * 2
    odd = Secrets(template="odds {secret}", length=2, separator="", tokenizer=Pairs())
    found = rows_of_secrets(odd, np.array([[1, 2]]), length=6)
    # "od", "ds", " 1", "2": the blank belongs to the secret's first token.
    assert found.secret.tolist() == [[False, False, True, True, False, False]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runs": 4}, "runs must be an integer of at least 8, got 4"),
        ({"fillings": 15}, "fillings must be an integer of at least 16, got 15"),
        ({"repetitions": (2, 4, 8)}, r"repetitions must rise from 1, .* got \(2, 4, 8\)"),
        ({"repetitions": (1, 8, 4)}, "repetitions must rise from 1"),
        ({"canaries": (5, 3)}, r"one number for each of 3 repetitions, got \(5, 3\)"),
        ({"canaries": (5, 0, 1)}, r"canaries\[1\] must be an integer of at least 1, got 0"),
        ({"model": mlp([8], num_classes=10)}, "need a model of the task language, got class"),
        ({"recipes": (selena(1, 1),)}, "selena has an ensemble"),
        ({"secrets": "pin"}, "secrets must be Secrets, got 'pin'"),
    ],
)
def test_what_no_audit_can_be(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audit(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": Digits()}, "must be text of the secrets' tokenizer, with digits of a voc"),
        ({"held_out": 60}, "60 examples; 60 held out leave none to train on"),
        ({"data": Topics(length=24)}, "must fit into 24 tokens, .* needs up to 37"),
        (
            {"secrets": Secrets(template="pin {secret}", length=1)},
            "10 canaries need a space of at least twice as many secrets, or .* has 10",
        ),
    ],
)
def test_what_does_not_fit_the_data(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audit(**change).plant()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"template": "{secret} is it"}, "must have {secret} once, at its end"),
        ({"template": "{secret} {secret}"}, "must have {secret} once, at its end"),
        ({"alphabet": "aba"}, "alphabet must have each symbol once, got 'aba'"),
        ({"alphabet": "a"}, "alphabet must be an integer of at least 2"),
        ({"length": 0}, "length must be an integer of at least 1"),
    ],
)
def test_what_no_template_can_be(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Secrets(**change)  # type: ignore[arg-type]
