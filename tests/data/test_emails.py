"""E-mails: what is kept of one, in which characters, and what is refused."""

from email.message import EmailMessage
from pathlib import Path

import pytest

from pptp_jax.data import Emails


def texts(path: Path, **settings) -> dict[str, str]:
    data = Emails(path, length=400, **settings).load()
    return {
        name: bytes(token for token in row if 0 <= token < 256).decode()
        for name, row in zip(data.ids.tolist(), data.y.tolist(), strict=True)
    }


def mail(text: str = "", html: str | None = None, charset: str = "utf-8", **headers) -> bytes:
    message = EmailMessage()
    for name, value in headers.items():
        message[name.capitalize()] = value
    message.set_content(text, charset=charset)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return bytes(message)


RAW = b"From x@y Thu Aug 22 12:36:23 2002\nReceived: by a\n\tfor b\nSubject: Re:  [list]\n  one\n\n"


def test_subject_and_text_are_kept(tmp_path: Path) -> None:
    (tmp_path / "ham").mkdir()
    for name, content in {
        "plain.txt": RAW + b"Hi,  \r\n\n\n\n> you\n-- \nAnn\n\n",
        "ham/parts.txt": mail("Grüße", "<p>no</p>", "iso-8859-1", subject="Schöne Zeit", to="c@d"),
        "latin.txt": b"Content-Type: text/plain; charset=iso-8859-1\n\ncaf\xe9",
        "wrong.txt": b"Content-Type: text/plain; charset=none-such\n\ncaf\xe9 \xc3\xa9\0",
        "bare.txt": b"Subject: =?utf-8?q?=C3=A9t=C3=A9?= =?none-such?q?x?=\n\nno subject to read",
        "html.txt": b"Content-Type: text/html\n\n<b>all there is</b>",
        "empty.txt": RAW + b" \n\n",
        "picture.txt": b"Content-Type: image/png\n\nabc",
        "other.eml": RAW + b"not asked for",
    }.items():
        (tmp_path / name).write_bytes(content)
    found = texts(tmp_path)
    assert found == {
        "plain.txt": "Subject: Re: [list] one\n\nHi,\n\n> you\n--\nAnn",
        "ham/parts.txt": "Subject: Schöne Zeit\n\nGrüße",
        "latin.txt": "café",
        "wrong.txt": "caf� é",
        "bare.txt": "Subject: =?utf-8?q?=C3=A9t=C3=A9?= =?none-such?q?x?=\n\nno subject to read",
        "html.txt": "<b>all there is</b>",
    }
    assert [*texts(tmp_path, files="h*/*.txt")] == ["ham/parts.txt"]
    assert [*texts(tmp_path, files="*.eml")] == ["other.eml"]


def test_equal_e_mails_are_dropped_and_counted(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.txt").write_bytes(f"Received: by {i}\nSubject: Hi\n\nthere".encode())
    data = Emails(length=20).at(tmp_path).load()
    assert data.ids.tolist() == ["0.txt"]
    assert data.name == "3 e-mails, 2 exact duplicates dropped"
    assert len(Emails(tmp_path, length=20, duplicates="keep").load()) == 3


def test_what_is_refused(tmp_path: Path) -> None:
    for source, message in (
        (Emails(), "say where with --data FOLDER"),
        (Emails(tmp_path / "none"), "there is no such folder of e-mails"),
        (Emails(tmp_path), r"holds no e-mails with text in files \*\*/\*.txt"),
    ):
        with pytest.raises(ValueError, match=message):
            source.load()
    with pytest.raises(ValueError, match="duplicates must be 'drop' or 'keep', got 'dropp'"):
        Emails(duplicates="dropp")
