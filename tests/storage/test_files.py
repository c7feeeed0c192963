"""Files are entire or not there."""

import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pptp_jax.storage.files import link, read_arrays, write, write_json
from pptp_jax.validation import Refused


def test_a_file_is_written_entirely_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a" / "f.json"
    write_json(path, {"a": 1})

    def half(file) -> None:
        file.write(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write(path, half)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(path.parent.iterdir()) == [path]


def test_a_second_name_costs_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"long")
    link(source, tmp_path / "b" / "same")
    assert (tmp_path / "b" / "same").samefile(source)

    def refused(*args: object, **options: object) -> None:
        raise PermissionError("this file system has no links")

    monkeypatch.setattr(os, "link", refused)
    link(source, tmp_path / "b" / "copy")
    assert (tmp_path / "b" / "copy").read_bytes() == b"long"
    assert not (tmp_path / "b" / "copy").samefile(source)


def npy(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(8)


HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s,)}"


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (npy(HEADER % 10**16), "Unable to allocate"),
        (npy("{'descr': '<f4', "), "multi-line"),
        (npy("(" * 3000), r"x\.npz: this is no"),
        (npy(HEADER % "'a'"), "shape"),
        (b"text", "what it holds as x is no array"),
    ],
    ids=["too large", "half a header", "brackets", "a word as shape", "no array"],
)
def test_a_damaged_array_is_refused_in_a_line(tmp_path: Path, member: bytes, message: str) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy" if member != b"text" else "x", member)
    with pytest.raises(Refused, match=message) as refused:
        read_arrays(path)
    assert str(refused.value).startswith(f"{path}: this is no .npz file of plain arrays: ")
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [(8, 99, "compression"), (6, 1, "encrypted")],
    ids=["packed in an unknown way", "locked"],
)
def test_an_archive_that_cannot_be_opened_is_refused(
    tmp_path: Path, place: int, value: int, message: str
) -> None:
    """The bytes that say how a member is packed lie behind its mark, and again in the directory."""
    path = tmp_path / "x.npz"
    np.savez(path, x=np.ones(3))
    content = bytearray(path.read_bytes())
    for mark, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        content[content.index(mark) + place + shift] = value
    path.write_bytes(content)
    with pytest.raises(Refused, match=f"no .npz file of plain arrays: .*{message}"):
        read_arrays(path)
