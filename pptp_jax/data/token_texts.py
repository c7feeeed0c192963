"""From token ids to the text of each of them."""

from collections.abc import Callable

# No letter has more bytes in UTF-8, and so none has more tokens.
_LONGEST = 4
# What stands in a decoded text for bytes that are no letter, or not yet.
_UNKNOWN = "\ufffd"


def token_texts(decoded: Callable[[list[int]], str], tokens: list[int]) -> list[str]:
    """The text that each token adds to those before it.

    A decoder may put blanks between tokens or take them away, so a token is decoded behind the one
    before it. Where several tokens are one letter, the letter stands at the first of them, and
    nothing at the others.

    Args:
        decoded: gives the text of some tokens.
        tokens: the tokens.

    Examples:
        >>> token_texts(lambda part: " ".join("abc"[one] for one in part), [2, 0, 1])
        ['c', ' a', ' b']
    """
    found: list[str] = []
    before = 0
    for end in range(1, len(tokens) + 1):
        start = len(found)
        known, text = decoded(tokens[before:start]), decoded(tokens[before:end])
        # The next token may complete the letter.
        if text.endswith(_UNKNOWN) and end - start < _LONGEST and end < len(tokens):
            continue
        own = text[len(known) :] if text.startswith(known) else decoded(tokens[start:end])
        if _UNKNOWN in own:
            found += [decoded([token]) for token in tokens[start:end]]
        else:
            found += [own, *[""] * (end - start - 1)]
        before = start
    return found
