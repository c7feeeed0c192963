"""The store: what is read is what was written, or missing; never anything else."""

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.signals import Layout, Part, SignalStore, store

LAYOUT = Layout(
    key="a" * 64,
    models=4,
    examples=5,
    queries=("identity", "flip"),
    parts={
        "confidence": Part((2, 5)),
        "logits": Part((2, 5, 3)),
        "correct": Part((5,), "bool"),
        "finite": Part((), "bool"),
    },
)


def row(model: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(model)
    return {
        "confidence": rng.normal(size=(2, 5)).astype(np.float32),
        "logits": rng.normal(size=(2, 5, 3)).astype(np.float32),
        "correct": rng.random(5) < 0.5,
        "finite": np.array(True),
    }


def rows(*models: int) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    return ((model, row(model)) for model in models)


def filled(directory: Path) -> SignalStore:
    found = SignalStore(directory, LAYOUT)
    found.write(rows(*range(4)))
    return found


def assert_complete(found: SignalStore) -> None:
    assert not found.missing
    for name in LAYOUT.parts:
        known = np.stack([row(model)[name] for model in range(4)])
        np.testing.assert_array_equal(found.read(name), known)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    found = SignalStore(tmp_path / "s", LAYOUT)
    assert found.missing == {0, 1, 2, 3} and not (tmp_path / "s").exists()
    found.write(rows(2))
    found.write(rows(0, 3))
    assert found.missing == {1}
    again = SignalStore(tmp_path / "s", LAYOUT)
    assert again.missing == {1}
    with pytest.raises(ValueError, match=r"logits.npy lacks models 1"):
        again.read("logits")
    again.write(rows(1))
    assert_complete(again)
    assert_complete(SignalStore(tmp_path / "s", LAYOUT))


def test_a_store_takes_from_another_what_it_lacks(tmp_path: Path) -> None:
    own, other = (SignalStore(tmp_path / name, LAYOUT) for name in "ab")
    own.take(other)
    assert not (tmp_path / "a").exists()
    own.write(rows(0, 1))
    other.write((model, row(model + 9 * (model == 1))) for model in (1, 3))
    own.take(other)
    assert own.missing == {2}
    other.write(rows(2))
    own.take(SignalStore(tmp_path / "b", LAYOUT))
    assert_complete(SignalStore(tmp_path / "a", LAYOUT))


def test_arrays_are_mapped_and_not_copied(tmp_path: Path) -> None:
    logits = filled(tmp_path).read("logits")
    assert isinstance(logits, np.memmap) and not logits.flags.writeable
    assert logits.shape == (4, 2, 5, 3) and logits.dtype == np.float32
    # What is written to the file is seen in the map: there is no copy between.
    with (tmp_path / "logits.npy").open("r+b") as file:
        file.seek(-4, 2)
        file.write(np.float32(7).tobytes())
    assert logits[-1, -1, -1, -1] == 7


def test_the_manifest_has_the_queries(tmp_path: Path) -> None:
    filled(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    sums = manifest.pop("crc32")
    assert {name: len(own) for name, own in sums.items()} == dict.fromkeys(LAYOUT.parts, 4)
    assert manifest == {
        "format": 2,
        "key": "a" * 64,
        "models": 4,
        "examples": 5,
        "queries": ["identity", "flip"],
        "mode": "eval",
        "parts": {
            "confidence": {"shape": [2, 5], "dtype": "float32"},
            "logits": {"shape": [2, 5, 3], "dtype": "float32"},
            "correct": {"shape": [5], "dtype": "bool"},
            "finite": {"shape": [], "dtype": "bool"},
        },
    }


class Killed(BaseException):
    pass


@pytest.mark.parametrize("when", ["between models", "before the manifest", "before its rename"])
def test_what_was_being_written_when_the_process_was_killed_is_missing(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SignalStore(tmp_path, LAYOUT)
    found.write(rows(0, 3))

    def kill(*args: object) -> None:
        raise Killed

    def dying() -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        yield from rows(1)
        if when == "between models":
            raise Killed
        yield from rows(2)

    with monkeypatch.context() as patched:
        if when == "before the manifest":
            patched.setattr(store, "write_json", kill)
        if when == "before its rename":
            patched.setattr(Path, "replace", kill)
        with pytest.raises(Killed):
            found.write(dying())
    assert found.missing == {1, 2}
    again = SignalStore(tmp_path, LAYOUT)
    assert again.missing == {1, 2}
    again.write(rows(1, 2))
    assert_complete(SignalStore(tmp_path, LAYOUT))


def test_a_model_half_written_over_is_missing(tmp_path: Path) -> None:
    found = filled(tmp_path)

    def dying() -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        yield 2, row(7)
        raise Killed

    with pytest.raises(Killed):
        found.write(dying())
    assert found.missing == {2} == SignalStore(tmp_path, LAYOUT).missing


@given(name=st.sampled_from(sorted(LAYOUT.parts)), bit=st.integers(0, 10**6))
def test_a_flipped_bit_is_found(
    name: str, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("flipped")
    path = filled(tmp_path).path(name)
    damaged = bytearray(path.read_bytes())
    bit %= 8 * len(damaged)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    at, size = bit // 8 - len(LAYOUT.header(name)), LAYOUT.parts[name].bytes
    found = SignalStore(tmp_path, LAYOUT)
    assert found.missing == ({at // size} if at >= 0 else {0, 1, 2, 3})
    found.write(rows(*found.missing))
    assert_complete(SignalStore(tmp_path, LAYOUT))


@pytest.mark.parametrize(("share", "missing"), [(0.7, {2, 3}), (0.0, {0, 1, 2, 3})])
def test_a_truncated_file_loses_what_lay_behind_its_end(
    share: float, missing: set[int], tmp_path: Path
) -> None:
    path = filled(tmp_path).path("logits")
    header = len(LAYOUT.header("logits"))
    length = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(int(header + share * (length - header)))
    found = SignalStore(tmp_path, LAYOUT)
    assert found.missing == missing
    found.write(rows(*missing))
    assert_complete(SignalStore(tmp_path, LAYOUT))
    path.unlink()
    assert SignalStore(tmp_path, LAYOUT).missing == {0, 1, 2, 3}


@pytest.mark.parametrize(
    "change",
    [
        {"key": "b" * 64},
        {"queries": ("identity", "shift(0, 1)")},
        {"mode": "train"},
        {"models": 3},
    ],
)
def test_what_belongs_to_something_else_is_never_used(change, tmp_path: Path) -> None:
    filled(tmp_path)
    other = replace(LAYOUT, **change)
    stale = SignalStore(tmp_path, other)
    assert stale.missing == set(range(other.models))
    stale.write([(0, row(8))])
    assert SignalStore(tmp_path, other).missing == set(range(1, other.models))
    assert SignalStore(tmp_path, LAYOUT).missing == {0, 1, 2, 3}


def test_an_array_more_or_less_is_no_harm_to_the_others(tmp_path: Path) -> None:
    filled(tmp_path)
    fewer = replace(LAYOUT, parts={"logits": LAYOUT.parts["logits"]})
    assert not SignalStore(tmp_path, fewer).missing
    wider = replace(LAYOUT, parts={**LAYOUT.parts, "norms": Part((2, 5))})
    more = SignalStore(tmp_path, wider)
    assert more.missing == {0, 1, 2, 3}
    np.testing.assert_array_equal(more.read("correct")[1], row(1)["correct"])


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b'{"crc32": {}}', b"\xff"])
def test_a_damaged_manifest_vouches_for_nothing(damage: bytes, tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "manifest.json").write_bytes(damage)
    assert SignalStore(tmp_path, LAYOUT).missing == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("model", "change", "message"),
    [
        (4, {}, "the store has models 0 to 3, got 4"),
        (0, {"norms": np.zeros(5)}, "keeps confidence, correct, finite, logits .* logits, norms"),
        (
            0,
            {"correct": np.ones(4, bool)},
            r"correct .* shape \(5,\) in bool .* got \(4,\) in",
        ),
        (0, {"confidence": np.zeros((2, 5))}, r"in float32 in this store, got \(2, 5\) in float64"),
    ],
)
def test_a_row_that_does_not_fit(model: int, change, message: str, tmp_path: Path) -> None:
    found = filled(tmp_path)
    with pytest.raises(ValueError, match=message):
        found.write([(model, {**row(0), **change})])
    assert_complete(SignalStore(tmp_path, LAYOUT))


def test_the_store_knows_nothing_of_training() -> None:
    files = [Path(store.__file__), Path(store.__file__).with_name("layout.py")]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name for name in imported if name.startswith("pptp_jax")} == {
        "pptp_jax.storage.files",
        "pptp_jax.validation",
        "pptp_jax.signals.layout",
    }
