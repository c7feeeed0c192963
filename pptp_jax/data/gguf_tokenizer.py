"""The tokenizer of a GGUF file."""

from os import PathLike
from typing import Any

from pptp_jax.storage.gguf_file import open_gguf
from pptp_jax.validation import Refused
from pptp_jax.validation.extras import extra

# By GGUF's name for how text is cut before pairs are merged: whether each digit stands alone.
_DIGITS_ALONE = {"gpt-2": False, "smollm": True, "starcoder": True}
# Kinds of tokens in GGUF.
_CONTROL, _USER_DEFINED = 3, 4


def tokenizer_from_gguf(path: str | PathLike[str]) -> Any:
    """The byte-level BPE tokenizer of a GGUF file, as one of the library `tokenizers`.

    It has the file's tokens, merges and special tokens, and adds none of these by itself. Bytes
    without a token are dropped, as `transformers` and llama.cpp drop them: SmolLM2 lacks those of
    six control characters, and 15 that no assigned character has in UTF-8. Needs the extra
    `language`. `tokenizer.save("tokenizer.json")` writes it in the format of that library.

    Args:
        path: the file.

    Returns:
        A `tokenizers.Tokenizer`; `encode(text).ids` are the token ids, `decode(ids)` is the text.

    Raises:
        ImportError: if `gguf` or `tokenizers` is not installed.
        ValueError: if there is no such file, or its tokenizer is of another kind.

    References:
        Radford et al., "Language Models are Unsupervised Multitask Learners", 2019 (byte-level BPE)
        https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

    Examples:
        >>> tokenizer_from_gguf("SmolLM2.gguf")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: SmolLM2.gguf: there is no such file
    """
    file = open_gguf(path)
    tokenizers = extra("tokenizers", "language")
    kind, cut = file["tokenizer.ggml.model"], file.get("tokenizer.ggml.pre", "gpt-2")
    if kind != "gpt2":
        raise Refused(f"{path}: the tokenizer must be byte-level BPE, 'gpt2', got {kind!r}")
    if cut not in _DIGITS_ALONE:
        known = ", ".join(map(repr, _DIGITS_ALONE))
        raise Refused(f"{path}: text must be cut as by one of {known}, got {cut!r}")
    tokens = file["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in file["tokenizer.ggml.merges"]]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    cuts = [tokenizers.pre_tokenizers.Digits(individual_digits=True)] if _DIGITS_ALONE[cut] else []
    cuts.append(tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(cuts)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    kinds = file.get("tokenizer.ggml.token_type", [])
    for token, of in zip(tokens, kinds, strict=False):
        if of in (_CONTROL, _USER_DEFINED):
            add = tokenizer.add_special_tokens if of == _CONTROL else tokenizer.add_tokens
            add([tokenizers.AddedToken(token, normalized=False)])
    return tokenizer
