"""Files are whole or not there."""

import json
import os
from pathlib import Path

import pytest

from pptp_jax.storage.files import link, write, write_json


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
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
