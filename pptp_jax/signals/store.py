"""The store of a fleet's signals on disk: arrays with a row a model, complete or missing.

Pure storage: it knows nothing of how models are trained or queried.
"""

import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped

from pptp_jax.signals.layout import Layout
from pptp_jax.storage.files import naming, write_json
from pptp_jax.validation import Refused

Checksums = list[int | None]


class SignalStore:
    """A directory with an `.npy` file for each name of a layout, and a manifest of what is entire.

    Rows are written in place and forced to disk. Then the manifest, which holds the layout and a
    CRC-32 of every row, is written aside and renamed. What it does not vouch for is missing, and so
    is a row whose bytes have changed: what was being written when the process was killed, what lies
    behind the end of a truncated file, what has a flipped bit, and all that was kept under another
    key. No other row is lost by that. Reading maps the files into memory, so that a fleet's logits
    need not fit.

    One process writes at a time.

    Examples:
        >>> import tempfile
        >>> from pptp_jax.signals import Part
        >>> layout = Layout(
        ...     key="0",
        ...     models=3,
        ...     examples=4,
        ...     queries=("identity",),
        ...     parts={"confidence": Part((1, 4))},
        ... )
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     store = SignalStore(Path(directory), layout)
        ...     store.write((i, {"confidence": np.full((1, 4), i, np.float32)}) for i in (0, 2))
        ...     SignalStore(Path(directory), layout).missing
        frozenset({1})
    """

    def __init__(self, directory: Path, layout: Layout) -> None:
        """Reads every row that is kept, to see whether it is entire; writes nothing.

        Args:
            directory: a directory of its own, made when something is written.
            layout: what it holds.
        """
        self._directory, self._layout = directory, layout
        self._sums = {name: self._intact(name, sums) for name, sums in self._vouched().items()}

    @property
    def layout(self) -> Layout:
        """The layout of the store."""
        return self._layout

    @property
    def missing(self) -> frozenset[int]:
        """The models of which something is missing, to be taken again."""
        return frozenset(i for sums in self._sums.values() for i, s in enumerate(sums) if s is None)

    def path(self, name: str) -> Path:
        """The file of an array, which `numpy.load` reads."""
        return self._directory / f"{name}.npy"

    def read(self, name: str) -> Shaped[np.ndarray, "models ..."]:
        """An array of all models, mapped into memory, read-only.

        Raises:
            ValueError: if rows of it are missing.
        """
        lost = [str(model) for model, known in enumerate(self._sums[name]) if known is None]
        if lost:
            raise Refused(f"{self.path(name)} lacks models {', '.join(lost)}")
        return np.load(self.path(name), mmap_mode="r", allow_pickle=False)

    def read_rows(self, name: str, models: Sequence[int]) -> Shaped[np.ndarray, "models ..."]:
        """An array of some models, none of which is missing.

        Args:
            name: the array.
            models: which ones.
        """
        array = np.load(self.path(name), mmap_mode="r", allow_pickle=False)
        return np.asarray(array[list(models)])

    def write(self, rows: Iterable[tuple[int, Mapping[str, np.ndarray]]]) -> None:
        """Writes models one by one as they come; they count when all of them are on disk.

        Args:
            rows: a model's number, and what is kept of it.

        Raises:
            ValueError: if a row is not what the layout says.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        sums = {name: list(known) for name, known in self._sums.items()}
        with naming(self._directory), ExitStack() as stack:
            files = {name: stack.enter_context(self._prepared(name)) for name in sums}
            for model, arrays in rows:
                self._layout.check(model, arrays)
                for name, file in files.items():
                    self._sums[name][model] = None  # until the manifest vouches for it again
                    row = np.ascontiguousarray(arrays[name]).tobytes()
                    file.seek(len(self._layout.header(name)) + model * len(row))
                    file.write(row)
                    sums[name][model] = zlib.crc32(row)
            for file in files.values():
                file.flush()
                os.fsync(file.fileno())
        write_json(self._manifest, {**self._layout.to_json(), "crc32": sums})
        self._sums = sums

    def take(self, other: "SignalStore") -> None:
        """Copies models that are complete in another store of the same layout, and missing here."""
        found = sorted(self.missing - other.missing)
        if found:
            self.write(
                (model, {n: other.read_rows(n, [model])[0] for n in self._layout.parts})
                for model in found
            )

    @property
    def _manifest(self) -> Path:
        return self._directory / "manifest.json"

    def _vouched(self) -> dict[str, Checksums]:
        """The rows' checksums by the manifest; None where it does not vouch for one."""
        own, models = self._layout.to_json(), self._layout.models
        parts = own.pop("parts")
        found: dict[str, Checksums] = {name: [None] * models for name in parts}
        try:
            stored = json.loads(self._manifest.read_text())
            stored_parts, sums = stored.pop("parts"), stored.pop("crc32")
            for name, part in parts.items():
                # Another array may have been added since or left out; that harms none of the rest.
                known = stored == own and stored_parts.get(name) == part
                if known and len(sums[name]) == models:
                    found[name] = sums[name]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # a damaged manifest vouches for nothing more
        return found

    def _intact(self, name: str, sums: Checksums) -> Checksums:
        """The checksums of the rows whose bytes are what they were when they were written."""
        header, size = self._layout.header(name), self._layout.parts[name].bytes
        nothing: Checksums = [None] * len(sums)
        try:
            with self.path(name).open("rb") as file:
                if file.read(len(header)) != header:
                    return nothing
                found = list(nothing)
                for model, known in enumerate(sums):
                    if known is None:  # of a shard most are
                        continue
                    file.seek(len(header) + model * size)
                    row = file.read(size)
                    if len(row) == size and zlib.crc32(row) == known:
                        found[model] = known
                return found
        except OSError:
            return nothing

    def _prepared(self, name: str) -> BinaryIO:
        """The file of an array, with its header and its length, to write rows into."""
        path, header = self.path(name), self._layout.header(name)
        path.touch()
        file = path.open("r+b")
        file.write(header)
        file.truncate(len(header) + self._layout.models * self._layout.parts[name].bytes)
        return file
