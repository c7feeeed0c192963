"""From text to token ids."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pptp_jax.data.gguf_tokenizer import tokenizer_from_gguf
from pptp_jax.data.token_texts import token_texts
from pptp_jax.validation import Refused
from pptp_jax.validation.extras import extra


@runtime_checkable
class Tokenizer(Protocol):
    """Makes token ids of a text: plain frozen data.

    One that also has a method `texts(tokens)`, with the text of each token, is read in a report;
    of others it shows the ids.

    Attributes:
        vocabulary: how many tokens there are.
        boundary: the token that stands before and behind every record.

    Examples:
        >>> isinstance(Bytes(), Tokenizer)
        True
    """

    @property
    def vocabulary(self) -> int:
        """How many tokens there are, the boundary included."""
        ...

    @property
    def boundary(self) -> int:
        """The token that stands before and behind every record."""
        ...

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without boundaries."""
        ...


@dataclass(frozen=True)
class Bytes:
    """The bytes of UTF-8 as tokens 0 to 255, and 256 as the boundary.

    Examples:
        >>> Bytes().encode("né"), Bytes().vocabulary, Bytes().boundary
        ([110, 195, 169], 257, 256)
    """

    vocabulary: int = field(default=257, init=False)
    boundary: int = field(default=256, init=False)

    def encode(self, text: str) -> list[int]:
        """The bytes."""
        return list(text.encode("utf-8"))

    def lowered(self, tokens: list[int]) -> list[int]:
        """The bytes of a text in lower case: A to Z, and no other letters.

        Examples:
            >>> bytes(Bytes().lowered(list("Né É".encode()))).decode()
            'né É'
        """
        return list(bytes(tokens).lower())

    def texts(self, tokens: list[int]) -> list[str]:
        """The text of each token; that of a letter of several bytes stands at the first of them.

        Examples:
            >>> Bytes().texts([*"né".encode(), 256])
            ['n', 'é', '', '<|boundary|>']
        """

        def decoded(part: list[int]) -> str:
            known = (b"<|boundary|>" if one == self.boundary else bytes([one]) for one in part)
            return b"".join(known).decode("utf-8", "replace")

        return token_texts(decoded, tokens)


@dataclass(frozen=True)
class TokenizerFile:
    """A `tokenizer.json`, as the library `tokenizers` writes it, or that of a GGUF file.

    Needs the extra `language`.

    Attributes:
        path: the file; what ends in `.gguf` is read by `tokenizer_from_gguf`.
        mark: the token that is the boundary.

    Raises:
        ValueError: when it is first used, if there is no such file, or it lacks the mark.

    Examples:
        >>> TokenizerFile("gpt2/tokenizer.json").mark
        '<|endoftext|>'
    """

    path: str
    mark: str = "<|endoftext|>"

    @property
    def vocabulary(self) -> int:
        """How many tokens the file has, those that were added included."""
        return int(_reader(self.path).get_vocab_size())

    @property
    def boundary(self) -> int:
        """The id of the mark."""
        found = _reader(self.path).token_to_id(self.mark)
        if found is None:
            raise Refused(f"{self.path} has no token {self.mark!r}: give the mark that it has")
        return int(found)

    def encode(self, text: str) -> list[int]:
        """The tokens, without those that the file's template would add."""
        ids: list[int] = _reader(self.path).encode(text, add_special_tokens=False).ids
        return ids

    def lowered(self, tokens: list[int]) -> list[int]:
        """The tokens of the same text in lower case, which is split up once more."""
        return self.encode(self._decoded(tokens).lower())

    def texts(self, tokens: list[int]) -> list[str]:
        """The text of each token; that of a letter of several tokens stands at the first."""
        return token_texts(self._decoded, tokens)

    def _decoded(self, tokens: list[int]) -> str:
        return str(_reader(self.path).decode(tokens, skip_special_tokens=False))


def _reader(path: str) -> Any:
    if not Path(path).is_file():
        raise Refused(f"there is no tokenizer file {path}")
    return _read(path, Path(path).stat().st_mtime_ns)


@cache
def _read(path: str, changed: int) -> Any:
    """The file is read once, and again when it has changed."""
    if path.endswith(".gguf"):
        return tokenizer_from_gguf(path)
    reader = extra("tokenizers", "language").Tokenizer
    try:
        return reader.from_file(path)
    except Exception as error:  # the library raises nothing more special
        raise Refused(f"{path} is no tokenizer file: {error}") from error
