"""The tokenizer of a GGUF file: every text comes back, and pairs are merged by rank."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.data import TokenizerFile, tokenizer_from_gguf

gguf = pytest.importorskip("gguf")
pytest.importorskip("tokenizers")

SPACE = "Ġ"
MERGES = ["t h", "th e", "Ġ the", "h e", "Ġ t", "1 2", "l l", "' ll", "Ġ Ġ", "Ġt h"]
SPECIAL, OWN = "<|end|>", "<mine>"


def letters() -> dict[int, str]:
    """For each byte the letter that stands for it: itself if it can be seen, else one above 255."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte) for byte in seen} | {b: chr(256 + i) for i, b in enumerate(rest)}


TOKENS = [SPECIAL, OWN, *letters().values(), *(merge.replace(" ", "") for merge in MERGES)]


def write(path: Path, cut: str = "smollm", kind: str = "gpt2") -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(kind)
    writer.add_tokenizer_pre(cut)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 4] + [1] * (len(TOKENS) - 2))
    writer.add_token_merges(MERGES)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict:
    directory = tmp_path_factory.mktemp("gguf")
    return {cut: tokenizer_from_gguf(write(directory / cut, cut)) for cut in ("smollm", "gpt-2")}


def naive(text: str, *, digits_alone: bool) -> list[str]:
    """Of ASCII: words with the space before them; of each, the pair of least rank first."""
    parts = re.findall("[0-9]|[^0-9]+", text) if digits_alone else [text]
    words = [
        word
        for part in parts
        for word in re.findall(
            r"'s|'t|'re|'ve|'m|'ll|'d| ?[a-zA-Z]+| ?[0-9]+| ?[^\sa-zA-Z0-9]+|\s+(?!\S)|\s+", part
        )
    ]
    ranks = {tuple(merge.split()): rank for rank, merge in enumerate(MERGES)}
    found = []
    for word in words:
        tokens = [letters()[byte] for byte in word.encode()]
        while True:
            pairs = list(pairwise(tokens))
            ranked = [(ranks[pair], i) for i, pair in enumerate(pairs) if pair in ranks]
            if not ranked:
                break
            _, i = min(ranked)
            tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]
        found += tokens
    return found


@given(st.text(st.sampled_from("the THl'12 .\n"), max_size=20))
def test_tokens_are_those_of_the_naive_twin(known: dict, text: str) -> None:
    for cut, alone in (("smollm", True), ("gpt-2", False)):
        assert known[cut].encode(text).tokens == naive(text, digits_alone=alone)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_every_text_comes_back(known: dict, text: str) -> None:
    for tokenizer in known.values():
        ids = tokenizer.encode(text).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_words_by_hand(known: dict) -> None:
    tokens = known["smollm"].encode("the the 12 né").tokens
    assert tokens == ["the", "Ġthe", SPACE, "1", "2", SPACE, "n", "Ã", "©"]
    assert known["gpt-2"].encode("the 12").tokens == ["the", SPACE, "12"]


def test_special_tokens_are_one_each_and_leave_the_text(known: dict) -> None:
    tokenizer = known["smollm"]
    ids = tokenizer.encode(f"the{SPECIAL}{OWN}").ids
    assert ids == [TOKENS.index("the"), 0, 1]
    assert tokenizer.decode(ids) == f"the{OWN}"
    assert tokenizer.get_vocab_size() == len(TOKENS)


def test_the_same_from_the_library_s_own_file(known: dict, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    known["smollm"].save(str(tmp_path / "tokenizer.json"))
    again = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    text = f"then 12 thé{SPECIAL}"
    assert again.encode(text).ids == known["smollm"].encode(text).ids


@pytest.mark.parametrize(
    ("cut", "kind", "message"),
    [
        ("smollm", "llama", "the tokenizer must be byte-level BPE, 'gpt2', got 'llama'"),
        ("tekken", "gpt2", "must be cut as by one of 'gpt-2', 'smollm', .*, got 'tekken'"),
    ],
)
def test_other_tokenizers_are_refused(tmp_path: Path, cut: str, kind: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tokenizer_from_gguf(write(tmp_path / "m.gguf", cut, kind))


def test_a_gguf_file_is_a_tokenizer_file(tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf")
    source = TokenizerFile(str(path), mark=SPECIAL)
    text = f"the 12 {SPECIAL}"
    assert source.encode(text) == tokenizer_from_gguf(path).encode(text).ids
    assert (source.vocabulary, source.boundary) == (len(TOKENS), 0)
