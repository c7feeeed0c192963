"""Files of arrays, and what may have become of their bytes."""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fuzzing import Case

Damage = Callable[[Case, bytes], bytes]


class Planted:
    """What runs where somebody unpickles it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def stored(arrays: Mapping[str, Any], *, compressed: bool = False) -> bytes:
    """The bytes of a `.npz` file; objects are pickled into it."""
    file = io.BytesIO()
    packing = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as part:
                np.lib.format.write_array(part, np.asanyarray(array), allow_pickle=True)
    return file.getvalue()


def npy(header: str | bytes, body: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """The bytes of a `.npy` file with a header of one's own."""
    text = header.encode("latin1") if isinstance(header, str) else header
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + body


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _patched(old: bytes, new: bytes) -> Damage:
    return lambda case, content: content.replace(old, new)


def _cut(case: Case, content: bytes) -> bytes:
    return content[: case.rng.integers(len(content))]


def _flipped(case: Case, content: bytes) -> bytes:
    changed = bytearray(content or b"\0")
    for place in case.rng.integers(len(changed), size=case.rng.integers(1, 9)):
        changed[place] ^= 1 << case.rng.integers(8)
    return bytes(changed)


def _flipped_in_the_directory(case: Case, content: bytes) -> bytes:
    """The last part of a zip file lists what there is, where, and how it is packed."""
    start = content.find(b"PK\x01\x02")
    return content[:start] + _flipped(case, content[start:])


def _flipped_in_a_header(case: Case, content: bytes) -> bytes:
    start = content.find(b"\x93NUMPY")
    return content[:start] + _flipped(case, content[start : start + 128]) + content[start + 128 :]


def _repacked(case: Case, content: bytes) -> bytes:
    """Says that every part is packed in a way that nobody knows, or locked."""
    changed = bytearray(content)
    offset, value = case.one(((8, 99), (8, 12), (8, 14), (8, 8), (6, 1)))
    for mark, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        place = content.find(mark)
        while place >= 0:
            changed[place + offset + shift] = value
            place = content.find(mark, place + 1)
    return bytes(changed)


_HEADERS = {
    "a shape too large": "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999,)}",
    "a negative shape": "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4), }",
    "a shape of words": "{'descr': '<f4', 'fortran_order': False, 'shape': ('a',), }",
    "a dtype that is none": "{'descr': 'zz', 'fortran_order': False, 'shape': (2,), }",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
    "no dict": "[1, 2]",
    "half a dict": "{'descr': '<f4', ",
    "code": "__import__('os').getcwd()",
    "deep brackets": "(" * 3000,
    "another key": "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
    "fewer keys": "{'descr': '<f4'}",
    "a long one": "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }" + " " * 20_000,
    "an order that is none": "{'descr': '<f4', 'fortran_order': 3, 'shape': (2,), }",
    "bytes of no text": "\xff\x00\xfe",
}


def _headed(name: str) -> Damage:
    return lambda case, content: zipped({"membership.npy": npy(_HEADERS[name], b"\0" * 8)})


# Every one of these must be refused.
BROKEN: dict[str, Damage] = {
    "empty": lambda case, content: b"",
    "text": lambda case, content: b"model,loss\n1,0.5\n",
    "noise": lambda case, content: case.rng.bytes(200),
    "a zip's first letters": lambda case, content: b"PK\x03\x04",
    "an empty zip": lambda case, content: zipped({}),
    "a zip of text": lambda case, content: zipped({"membership": b"text", "x": b"", "y.npy": b""}),
    "a folder in a zip": lambda case, content: zipped({"membership.npy/": b""}),
    "a path in a zip": lambda case, content: zipped({"../x.npy": npy(_HEADERS["no dict"])}),
    "one array": lambda case, content: content[content.find(b"\x93NUMPY") :],
    "a pickle": lambda case, content: pickle.dumps({"membership": 1}),
    "a pickle in a zip": lambda case, content: zipped({"membership.npy": pickle.dumps([1])}),
    "another version": lambda case, content: zipped({"x.npy": npy("", version=(9, 9))}),
    **{f"a header with {name}": _headed(name) for name in _HEADERS},
}

# These may leave a file that can be read.
DAMAGED: dict[str, Damage] = {
    "cut": _cut,
    "flipped bits": _flipped,
    "flipped bits in the directory": _flipped_in_the_directory,
    "flipped bits in a header": _flipped_in_a_header,
    "repacked": _repacked,
    "something behind": lambda case, content: content + case.rng.bytes(50),
    "something before": lambda case, content: case.rng.bytes(50) + content,
    "twice": lambda case, content: content + content,
    "other names": _patched(b"membership", b"../../ship"),
}
