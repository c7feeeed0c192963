"""Secrets to plant into text: a template, and the space of its fillings."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from pptp_jax.data.sequences import Sequences, rows_of_records
from pptp_jax.data.tokenizer import Bytes, Tokenizer
from pptp_jax.validation import Refused, at_least
from pptp_jax.validation.field_types import check_fields

SECRET, LABEL = "{secret}", "{label}"


@dataclass(frozen=True)
class Secrets:
    """A template with a secret of symbols, each drawn uniformly: the space R of an exposure.

    Attributes:
        template: the text, with `{secret}` at its end. Where it has a `{label}`, each secret gets a
            short word of its own there, which an attacker knows. Without it all secrets have the
            same prefix and compete: greedy decoding can bring out one of them at most.
        alphabet: the symbols of a secret, each once.
        length: how many of them make a secret.
        separator: what stands between two symbols.
        tokenizer: that of the data.

    Raises:
        ValueError: if the template does not end with `{secret}`, or the alphabet repeats a symbol.

    Examples:
        >>> secrets = Secrets()
        >>> secrets.text((3, 1, 4, 1, 5, 9), label="otter")
        'the secret number otter is 3 1 4 1 5 9'
        >>> secrets.space
        1000000
    """

    template: str = "the secret number {label} is {secret}"
    alphabet: str = "0123456789"
    length: int = 6
    separator: str = " "
    tokenizer: Tokenizer = Bytes()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(1, length=self.length)
        if not self.template.endswith(SECRET) or self.template.count(SECRET) > 1:
            raise Refused(f"template must have {SECRET} once, at its end, got {self.template!r}")
        at_least(2, alphabet=len(self.alphabet))
        if len(set(self.alphabet)) < len(self.alphabet):
            raise Refused(f"alphabet must have each symbol once, got {self.alphabet!r}")

    @property
    def space(self) -> int:
        """|R|, how many fillings there are."""
        return len(self.alphabet) ** self.length

    @property
    def labelled(self) -> bool:
        """Whether each secret has a prefix of its own."""
        return LABEL in self.template

    def text(self, symbols: Iterable[int], label: str = "") -> str:
        """The template, filled.

        Args:
            symbols: the places of the secret's symbols in the alphabet.
            label: the word in place of `{label}`.
        """
        secret = self.separator.join(self.alphabet[symbol] for symbol in symbols)
        return self.template.replace(LABEL, label).removesuffix(SECRET) + secret

    def draw(self, number: int, rng: np.random.Generator) -> Int[np.ndarray, "number length"]:
        """Random fillings, uniform and independent: symbols by their places in the alphabet.

        Args:
            number: how many.
            rng: the randomness.
        """
        return rng.integers(len(self.alphabet), size=(number, self.length))

    def every(self) -> Int[np.ndarray, "space length"]:
        """All fillings, in order.

        Examples:
            >>> Secrets(alphabet="ab", length=2).every().tolist()
            [[0, 0], [0, 1], [1, 0], [1, 1]]
        """
        symbols = range(len(self.alphabet))
        return np.array(list(product(symbols, repeat=self.length)))


class SecretRows(NamedTuple):
    """Fillings of one template and label as sequences.

    Attributes:
        rows: the sequences, as any record's; what each is known by is its text.
        secret: the places of the secret's tokens: from the first that differs between fillings to
            the end of the text. The mark behind it is not among them.
    """

    rows: Sequences
    secret: Bool[np.ndarray, "fillings length"]

    @property
    def following(self) -> Int[np.ndarray, "fillings length"]:
        """The targets of a query: the secret's tokens, and −1 elsewhere."""
        return np.where(self.secret, self.rows.following, -1)


def rows_of_secrets(
    secrets: Secrets, symbols: Int[np.ndarray, "fillings symbols"], length: int, label: str = ""
) -> SecretRows:
    """Fillings of a template with one label, as sequences of `length` tokens.

    Args:
        secrets: the template.
        symbols: the fillings.
        length: the tokens of a sequence.
        label: the word in place of `{label}`.

    Raises:
        ValueError: if a filling is longer than that.

    Examples:
        >>> secrets = Secrets(template="pin {secret}", length=2, separator="")
        >>> found = rows_of_secrets(secrets, np.array([[4, 2]]), length=8)
        >>> bytes(found.rows.following[0, :6].tolist()), found.following[0].tolist()
        (b'pin 42', [-1, -1, -1, -1, 52, 50, -1, -1])
    """
    # Fillings of one symbol alone differ in every place of the secret.
    uniform = np.repeat(np.arange(len(secrets.alphabet))[:, None], secrets.length, axis=1)
    texts = [secrets.text(own.tolist(), label) for own in np.concatenate([symbols, uniform])]
    tokens = [len(secrets.tokenizer.encode(text)) for text in texts]
    if max(tokens) > length:
        raise Refused(
            f"the secret {texts[0]!r} must fit into {length} tokens, the length of the data's "
            f"sequences; it needs up to {max(tokens)}"
        )
    records = [(text, text) for text in texts]
    rows = rows_of_records(records, secrets.tokenizer, length, packed=False)
    differs = (rows.following != rows.following[0]).any(axis=0)
    places = np.arange(length)
    secret = (places >= differs.argmax()) & (places < np.array(tokens)[:, None])
    number = len(symbols)
    own = Sequences(rows.ids[:number], rows.seen[:number], rows.following[:number])
    return SecretRows(own, secret[:number])
