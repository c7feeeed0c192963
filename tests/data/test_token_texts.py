"""The text of each token."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.data import Bytes, Distinct, Text, TokenizerFile, Topics
from pptp_jax.data.token_texts import token_texts
from pptp_jax.study.tokenizer import texts_of


@given(st.text(max_size=30))
def test_the_bytes_of_a_letter_are_read_at_the_first_of_them(text: str) -> None:
    expected = [part for letter in text for part in [letter] + [""] * (len(letter.encode()) - 1)]
    found = Bytes().texts(Bytes().encode(text))
    if "\ufffd" not in text:  # which stands for what is no letter
        assert found == expected
    assert len(found) == len(text.encode())


@given(st.lists(st.integers(0, 256), max_size=30))
def test_bytes_that_are_no_letter_lose_no_token(tokens: list[int]) -> None:
    assert len(Bytes().texts(tokens)) == len(tokens)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([0xFF, 97], ["\ufffd", "a"]),
        ([97, 0xE2, 0x98], ["a", "\ufffd", "\ufffd"]),  # cut in the middle of ☃
        ([0xC3, 256, 0xC3, 0xA9], ["\ufffd", "<|boundary|>", "é", ""]),
    ],
)
def test_what_is_cut_or_broken_is_seen_where_it_stands(tokens, expected) -> None:
    assert Bytes().texts(tokens) == expected


def test_a_decoder_that_joins_or_parts_tokens_is_followed() -> None:
    words = ["play", "##ing", "chess", "."]

    def decoded(part: list[int]) -> str:
        text = " ".join(words[one] for one in part).replace(" ##", "").replace("##", "")
        return text.replace(" .", ".")

    assert token_texts(decoded, [0, 1, 2, 3, 1]) == ["play", "ing", " chess", ".", "ing"]


def test_a_tokenizer_file_reads_its_tokens(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    letters = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    known = {one: i for i, one in enumerate(["<|endoftext|>", *sorted(letters), "he"])}
    own = tokenizers.Tokenizer(tokenizers.models.BPE(known, [("h", "e")]))
    own.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = tokenizers.decoders.ByteLevel()
    own.add_special_tokens(["<|endoftext|>"])
    own.save(str(tmp_path / "tokenizer.json"))
    found = TokenizerFile(str(tmp_path / "tokenizer.json"))
    tokens = [*found.encode("he é☃"), found.boundary]
    assert found.texts(tokens) == ["he", " ", "é", "", "☃", "", "", "<|endoftext|>"]
    data = Topics(length=8, tokenizer=found).load()
    assert texts_of(Distinct(Topics(tokenizer=found)), data) == found.texts
    # Ids from a file are of nobody's known tokenizer.
    assert texts_of(Text("ids.npz"), data) is None
