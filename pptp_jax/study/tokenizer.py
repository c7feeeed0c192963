"""The tokenizer behind a study's tokens."""

from pptp_jax.data import Dataset, Source, Tokenizer
from pptp_jax.evaluation.riskiest_tokens import Texts


def tokenizer_of(source: Source, vocabulary: int) -> Tokenizer | None:
    """The tokenizer of the source, or of the source within; None if its tokens are others or none.

    Token ids from a file were made elsewhere, so the tokenizer beside them is not theirs, unless it
    has as many tokens.

    Args:
        source: where the data come from.
        vocabulary: of how many tokens they are.

    Examples:
        >>> from pptp_jax.data import Distinct, Topics
        >>> tokenizer_of(Distinct(Topics()), 257), tokenizer_of(Topics(), 100)
        (Bytes(vocabulary=257, boundary=256), None)
    """
    while (inner := getattr(source, "source", None)) is not None:
        source = inner
    found = getattr(source, "tokenizer", None)
    return found if getattr(found, "vocabulary", None) == vocabulary else None


def texts_of(source: Source, data: Dataset) -> Texts | None:
    """A function from the data's tokens to their texts; None without a known tokenizer.

    Args:
        source: where the data come from.
        data: the data.
    """
    if data.vocabulary is None:
        return None
    found: Texts | None = getattr(tokenizer_of(source, data.vocabulary), "texts", None)
    return found
