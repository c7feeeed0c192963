"""Text of the user's own: JSON lines, a folder of text files, or token ids."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from jaxtyping import Shaped

from pptp_jax.data.dataset import Dataset
from pptp_jax.data.sequences import Duplicates, Sequences, as_dataset, rows_of_records
from pptp_jax.data.source import Select
from pptp_jax.data.tokenizer import Bytes, Tokenizer
from pptp_jax.storage.files import read_arrays
from pptp_jax.validation import Refused, at_least, one_of
from pptp_jax.validation.field_types import check_fields


@dataclass(frozen=True)
class Text:
    r"""Records of text as sequences of tokens, each with the token that follows as its target.

    - A file of JSON lines, an object a line: the text is one of its fields, and a record is known
      by another one or by its line.
    - A folder: each `.txt` file in it, at any depth, is a record, known by its path.
    - An `.npz` file of token ids: `tokens` (records, tokens), −1 behind a record's end, or a `mask`
      of the same shape; and, if given, `ids` and a number `vocabulary`. The first token is seen and
      never predicted. `length` and what follows it do not matter.

    Records that are longer than `length` are cut. Of records that are equal as far as a model sees
    them, all but the first are dropped, and the name of the data set says how many: a non-member
    that equals a member is no non-member. Near duplicates stay: a study says how many there are,
    and `Distinct` leaves them out.

    Attributes:
        path: the file or folder; None if it is to be given on the command line.
        field: the field of the text.
        id_field: the field by which a record is known; None takes the number of the line.
        length: the tokens of a sequence.
        packed: whether records stand one behind the other in full sequences, each of which is an
            example. A row for each record, the default, makes records the unit of membership.
        tokenizer: what makes tokens of a text.
        duplicates: `keep` keeps all.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = Path(directory, "mail.jsonl")
        ...     lines = [json.dumps({"text": text}) for text in ("abc", "hello", "abc")]
        ...     _ = path.write_text("\n".join(lines))
        ...     data = Text(path, length=5).load()
        >>> data.name, data.ids.tolist()
        ('mail.jsonl, 1 exact duplicates dropped', ['1', '2'])
        >>> data.x.tolist(), data.y.tolist()
        ([[256, 97, 98, 99, 256], [256, 104, 101, 108, 108]], [[97, 98, 99, 256, -1], [104, ...]])
    """

    path: str | Path | None = None
    field: str = "text"
    id_field: str | None = None
    length: int = 128
    packed: bool = False
    tokenizer: Tokenizer = Bytes()  # noqa: RUF009 - frozen
    duplicates: Duplicates = "drop"

    def __post_init__(self) -> None:
        if isinstance(self.path, Path):
            object.__setattr__(self, "path", str(self.path))
        check_fields(self)
        at_least(1, length=self.length)
        one_of(("drop", "keep"), duplicates=self.duplicates)

    def load(self, select: Select = np.arange) -> Dataset:
        """Reads and checks the records.

        Raises:
            ValueError: if there is no such file or folder, or it holds no records.
        """
        if self.path is None:
            raise Refused("this study's data are text: say where with --data FILE or FOLDER")
        path = Path(self.path)
        if path.suffix == ".npz":
            rows, vocabulary = _token_ids(path)
        else:
            records = list(self._folder(path) if path.is_dir() else self._lines(path))
            if not records:
                raise Refused(f"{path} holds no records{' in .txt files' * path.is_dir()}")
            rows = rows_of_records(records, self.tokenizer, self.length, packed=self.packed)
            vocabulary = self.tokenizer.vocabulary
        return as_dataset(path.name, rows, vocabulary, self.duplicates, select)

    def at(self, path: Path) -> Self:
        """The same source at another place."""
        return replace(self, path=str(path))

    def _lines(self, path: Path) -> Iterator[tuple[str, str]]:
        for number, line in enumerate(_read(path).split("\n"), start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise Refused(f"{path}, line {number} is no JSON: {error}") from error
            if not isinstance(record, dict):
                raise Refused(f"{path}, line {number}: a record must be an object, {{...}}")
            for name in filter(None, (self.field, self.id_field)):
                one_of(record, **{f"{path}, line {number}: field": name})
            text = record[self.field]
            known = str(number if self.id_field is None else record[self.id_field])
            if not isinstance(text, str):
                raise Refused(f"{path}, line {number}: {self.field} must be text, got {text!r:.80}")
            yield known, text

    @staticmethod
    def _folder(path: Path) -> Iterator[tuple[str, str]]:
        for file in sorted(path.rglob("*.txt")):
            yield file.relative_to(path).as_posix(), _read(file)


def _read(path: Path) -> str:
    if not path.is_file():
        raise Refused(f"{path}: there is no such file or folder of text")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is no text in UTF-8: {error}") from error


def _token_ids(path: Path) -> tuple[Sequences, int]:
    """The sequences of an `.npz` file, and how many tokens there are."""
    arrays = read_arrays(path)
    if "tokens" not in arrays:
        held = ", ".join(arrays) or "nothing"
        raise Refused(f"{path}: there must be an array tokens; the file holds {held}")
    tokens = arrays["tokens"]
    if tokens.dtype.kind not in "iu" or tokens.ndim != 2 or min(tokens.shape) < 1:
        raise Refused(
            f"{path}: tokens must be integers of shape (records, tokens), got {tokens.dtype} "
            f"of shape {tokens.shape}"
        )
    if tokens.shape[1] < 2:
        raise Refused(f"{path}: tokens needs at least two a record, a next one for the first")
    there = arrays.get("mask", tokens >= 0)
    if there.shape != tokens.shape or there.dtype != bool:
        raise Refused(
            f"{path}: mask must be booleans of the shape of tokens, {tokens.shape}, got "
            f"{there.dtype} of shape {there.shape}"
        )
    _check_ends(path, there)
    tokens = tokens.astype(np.int64)
    seen = np.where(there, tokens, 0)
    vocabulary = int(arrays["vocabulary"]) if "vocabulary" in arrays else int(seen.max()) + 1
    ids = arrays.get("ids", np.arange(len(tokens))).astype(str)
    following = np.where(there, tokens, -1)[:, 1:]
    rows = Sequences(ids.tolist(), seen[:, :-1].astype(np.int32), following.astype(np.int32))
    return rows, vocabulary


def _check_ends(path: Path, there: Shaped[np.ndarray, "records tokens"]) -> None:
    """Refuses records that begin with fewer than two tokens, or have a gap."""
    bad = np.flatnonzero(~there[:, :2].all(axis=1) | (there[:, 1:] & ~there[:, :-1]).any(axis=1))
    if bad.size:
        raise Refused(
            f"{path}: each record needs two tokens or more from its first place on, and -1 or a "
            f"False mask behind its end alone; {bad.size} do not, the first at row {bad[0]}"
        )
