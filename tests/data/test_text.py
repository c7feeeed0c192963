"""Text as sequences of tokens: records, packing, ends, duplicates, and what is refused."""

import json
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.data import Arrays, Bytes, Dataset, Text, TokenizerFile, Topics
from pptp_jax.data.sequences import rows_of_records

END = Bytes().boundary


def read(row: np.ndarray) -> str:
    """The text of a row's targets."""
    return bytes(token for token in row.tolist() if 0 <= token < 256).decode(errors="replace")


def lines(path: Path, *records: object) -> Path:
    path.write_text("\n".join(map(json.dumps, records)) + "\n")
    return path


@given(st.lists(st.text("aé☃ ", max_size=20), max_size=6), st.integers(1, 12), st.booleans())
def test_rows_are_the_records_with_a_boundary_before_each(
    texts: list[str], length: int, packed: bool
) -> None:
    names = [f"r{i}" for i in range(len(texts))]
    rows = rows_of_records(zip(names, texts, strict=True), Bytes(), length, packed=packed)
    records = [[*text.encode(), END] for text in texts]
    found = [row[row >= 0].tolist() for row in rows.following]
    if packed:
        assert [*chain(*found)] == [*chain(*records)]
        assert all(len(row) == length for row in found[:-1])
        for name, row in zip(rows.ids, found, strict=True):
            record, place = name.split("@")
            own = records[int(record[1:])][int(place) :]
            assert row[: len(own)] == own[: len(row)]
    else:
        assert found == [record[:length] for record in records] and rows.ids == names
    for seen, following in zip(rows.seen, rows.following, strict=True):
        there = following >= 0
        assert seen[0] == END and (seen[1:][there[:-1]] == following[:-1][there[:-1]]).all()
        assert (np.diff(there.astype(int)) <= 0).all()  # no gap


def test_the_three_forms_hold_the_same_records(tmp_path: Path) -> None:
    texts = {"b": "second", "a": "first one"}
    file = lines(tmp_path / "r.jsonl", *({"id": k, "body": t} for k, t in texts.items()))
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text(texts["a"])
    (folder / "deep" / "b.txt").write_text(texts["b"])
    of_lines = Text(file, field="body", id_field="id", length=8).load()
    of_files = Text(length=8).at(folder).load()
    assert of_lines.ids.tolist() == ["b", "a"]
    assert of_files.ids.tolist() == ["a.txt", "deep/b.txt"]
    assert [read(row) for row in of_files.y] == ["first on", "second"]
    np.testing.assert_array_equal(of_lines.y[::-1], of_files.y)
    path = tmp_path / "ids.npz"
    tokens = np.concatenate([of_files.x[:, :1], of_files.y], axis=1)
    np.savez(path, tokens=tokens, ids=of_files.ids, vocabulary=257)
    of_ids = Text(path).load()
    there = of_ids.y >= 0
    np.testing.assert_array_equal(of_ids.y, of_files.y)
    np.testing.assert_array_equal(of_ids.x[there], of_files.x[there])
    masked = np.where(tokens < 0, 5, tokens)
    np.savez(path, tokens=masked, mask=tokens >= 0, vocabulary=257)
    np.testing.assert_array_equal(Text(path).load().y, of_ids.y)
    np.savez(path, tokens=masked)
    assert Text(path).load().vocabulary == masked.max() + 1


def test_equal_records_are_found_as_far_as_they_are_seen(tmp_path: Path) -> None:
    records = [{"text": text} for text in ("same start, one", "other", "same start, two", "other")]
    file = lines(tmp_path / "r.jsonl", *records)
    whole = Text(file, length=32).load()
    assert whole.name == "r.jsonl, 1 exact duplicates dropped" and len(whole) == 3
    cut = Text(file, length=10).load()
    assert cut.name == "r.jsonl, 2 exact duplicates dropped"
    assert cut.ids.tolist() == ["1", "2"]
    kept = Text(file, length=10, duplicates="keep").load(lambda rows: np.arange(rows)[1:])
    assert kept.name == "r.jsonl, 2 exact duplicates kept" and kept.ids.tolist() == ["2", "3", "4"]


def test_topics_are_there_once_each_and_known_by_their_words() -> None:
    data, again = Topics(length=48).load(), Topics(length=48).load(lambda rows: np.arange(9))
    assert len(data) > 1000 and "exact duplicates dropped" in data.name
    assert len({row.tobytes() for row in data.y}) == len(data)
    assert again.ids.tolist() == data.ids[:9].tolist() and data.ids[0].startswith("assert/")
    short = Topics(length=24).load()
    assert set(short.ids) < set(data.ids)  # more of them are equal where they are cut sooner


def test_topics_without_short_paragraphs() -> None:
    every, long = (Topics(length=300, shortest=shortest).load() for shortest in (1, 200))
    assert set(long.ids) < set(every.ids)
    texts = [read(row) for row in every.y]
    kept = [own for own, text in zip(every.ids, texts, strict=True) if len(text) >= 200]
    assert set(kept) == set(long.ids)


def test_topics_in_two_parts_share_neither_topic_nor_sequence() -> None:
    both = Topics(length=24).load()
    parts = [Topics(length=24, part=part).load() for part in ("first", "second")]
    assert sorted(np.concatenate([part.ids for part in parts])) == sorted(both.ids)
    first, second = ({name.split("/")[0] for name in part.ids} for part in parts)
    assert not first & second and abs(len(first) - len(second)) <= 1
    some = Topics(length=24, part="second").load(lambda rows: np.array([rows - 1, 0]))
    np.testing.assert_array_equal(some.y, parts[1].y[[-1, 0]])
    assert some.name.endswith("second part")


def test_a_model_sees_integers() -> None:
    data = Topics(length=8).load(lambda rows: np.arange(3))
    arrays = Arrays.of(data)
    assert str(arrays.x.dtype) == "uint16" and str(arrays.batch_shape().dtype) == "int32"
    np.testing.assert_array_equal(arrays.inputs(slice(0, 2)), data.inputs()[:2])
    assert data.inputs().dtype == np.int32 and data.labels is None
    with pytest.raises(ValueError, match="symbols, which cannot be moved a little"):
        _ = arrays.bounds


def test_a_tokenizer_file_is_read(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    known = {"<|endoftext|>": 0, "a": 1, "b": 2, "ab": 3}
    own = tokenizers.Tokenizer(tokenizers.models.BPE(known, [("a", "b")]))
    path = tmp_path / "tokenizer.json"
    own.save(str(path))
    found = TokenizerFile(str(path))
    assert (found.vocabulary, found.boundary, found.encode("abba")) == (4, 0, [3, 2, 1])
    data = Text(lines(tmp_path / "r.jsonl", {"text": "abba"}), length=5, tokenizer=found).load()
    assert data.x.tolist() == [[0, 3, 2, 1, 0]] and data.y.tolist() == [[3, 2, 1, 0, -1]]
    with pytest.raises(ValueError, match="has no token '<s>'"):
        _ = TokenizerFile(str(path), mark="<s>").boundary
    with pytest.raises(ValueError, match="there is no tokenizer file"):
        _ = TokenizerFile("nowhere.json").vocabulary
    path.write_text("{}")
    with pytest.raises(ValueError, match="is no tokenizer file"):
        _ = TokenizerFile(str(path)).vocabulary


def test_text_of_a_tokenizer_file_is_lowered_and_split_once_more(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    known = {"<|endoftext|>": 0, "a": 1, "b": 2, "ab": 3, "A": 4}
    own = tokenizers.Tokenizer(tokenizers.models.BPE(known, [("a", "b")]))
    own.decoder = tokenizers.decoders.Fuse()
    own.save(str(tmp_path / "tokenizer.json"))
    found = TokenizerFile(str(tmp_path / "tokenizer.json"))
    assert found.encode("Abb") == [4, 2, 2] and found.lowered([4, 2, 2]) == [3, 2]
    assert found.lowered([]) == []


IDS = np.array([[1, 2, -1], [0, 1, 2]])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": IDS}, "there must be an array tokens; the file holds x"),
        ({"tokens": IDS / 2}, r"integers of shape \(records, tokens\), got float64"),
        ({"tokens": IDS[0]}, r"got int64 of shape \(3,\)"),
        ({"tokens": IDS[:, :1]}, "at least two a record"),
        ({"tokens": IDS, "mask": IDS}, "mask must be booleans of the shape of tokens"),
        ({"tokens": IDS[:, ::-1]}, "two tokens or more from its first place on, .* 1 do not"),
        ({"tokens": IDS, "vocabulary": 2}, r"vocabulary - 1 = 1, got 0 to 2|x must lie|y must lie"),
        ({"tokens": IDS, "ids": ["a", "a"]}, "ids must differ"),
    ],
)
def test_token_ids_that_are_none_are_refused(arrays, message: str, tmp_path: Path) -> None:
    np.savez(path := tmp_path / "ids.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        Text(path).load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no records"),
        ("{", "line 1 is no JSON"),
        ("[1]", "line 1: a record must be an object"),
        ('{"text": "a"}\n\n{"txt": "a"}', "line 3: field 'text' is unknown"),
        ('{"text": 3}', "text must be text, got 3"),
    ],
)
def test_lines_that_are_no_records_are_refused(content: str, message: str, tmp_path: Path) -> None:
    (path := tmp_path / "r.jsonl").write_text(content)
    with pytest.raises(ValueError, match=message):
        Text(path).load()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda here: Text().load(), "say where with --data"),
        (lambda here: Text(here / "no").load(), "no such file or folder"),
        (lambda here: Text(here).load(), "holds no records in .txt files"),
        (lambda here: Text(length=0), "length must be an integer of at least 1"),
        (lambda here: Text(duplicates="some"), "duplicates must be 'drop' or 'keep'"),
        (lambda here: Topics().at(here), "they take no path"),
        (lambda here: Topics(part="third"), "part must be 'all' or 'first' or 'second'"),
    ],
)
def test_bad_input(make, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        make(tmp_path)


def test_text_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"a\.txt is no text in UTF-8"):
        Text(tmp_path).load()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 0.5}, "symbols have no scale"),
        ({"vocabulary": 1}, "vocabulary must be an integer of at least 2"),
        ({"vocabulary": 2}, "x must lie between 0 and vocabulary - 1 = 1, got 0 to 2"),
        ({"x": IDS}, "x must lie between 0 and vocabulary - 1 = 2, got -1 to 2"),
        ({"x": np.eye(2)}, "x must hold integers of shape"),
        ({"y": IDS - 1}, "y must lie between -1 and vocabulary - 1 = 2, got -2 to 1"),
        ({"y": IDS[0]}, "y must have 2 rows"),
        ({"vocabulary": None}, "without classes, y must hold floats"),
    ],
)
def test_symbols_that_are_none_are_refused(change, message: str) -> None:
    good = {"x": np.abs(IDS), "y": IDS, "ids": np.arange(2), "num_classes": None, "vocabulary": 3}
    with pytest.raises(ValueError, match=message):
        Dataset("d", **(good | change))
