"""Region words, such as `shallow`: presets, spans of blocks, and parts that a model declares."""

import re
from collections.abc import Sequence

from pptp_jax.regions.rules import Block
from pptp_jax.validation import Refused, one_of

# `auto` is a preset too, but which blocks it means is found by measuring a fleet.
PRESETS = {
    "stem": "the first block",
    "shallow": "the first half of the blocks, the middle one included",
    "deep": "the other half",
    "head": "the last block",
    "blocks[0:2]": "a span of blocks, counted from 0; either end may be left out",
    "auto": "the blocks that a risk map finds",
}

# A model may declare others: these are the words that mean the same in all models that have them.
PARTS = {
    "embed": "what makes tokens of the inputs: vit, gpt, llama",
    "attention": "the attention of all blocks, without norms: vit, gpt, llama",
    "mlp": "the dense layers behind it, without norms: vit, gpt, llama",
    "lora": "the adapters of all blocks: every model that lora(...) has adapted",
}

_SPAN = re.compile(r"blocks\[(\d*):(\d*)\]")


def named(word: str, blocks: Sequence[Block], parts: Sequence[Block]) -> Sequence[Block]:
    """The blocks and parts of a word; a model's part overrides a preset of its name.

    Args:
        word: a preset, a span, or the name of a block or a part.
        blocks: the network's blocks in forward order.
        parts: what else has a name in the network.

    Raises:
        ValueError: if the word means nothing there.

    Examples:
        >>> blocks = [Block("stem", "stem/.*"), Block("stage1", "s/.*"), Block("head", "head/.*")]
        >>> [block.name for block in named("blocks[1:]", blocks, ())]
        ['stage1', 'head']
    """
    half = (len(blocks) + 1) // 2
    known: dict[str, Sequence[Block]] = {
        **{block.name: (block,) for block in blocks},
        "stem": blocks[:1],
        "shallow": blocks[:half],
        "deep": blocks[half:],
        "head": blocks[-1:],
        **{part.name: (part,) for part in parts},
    }
    if span := _SPAN.fullmatch(str(word)):
        start, stop = (int(end) if end else None for end in span.groups())
        found = blocks[start:stop]
    else:
        one_of([*known, "blocks[0:2]"], region=word)
        found = known.get(word, ())
    if not found:
        raise Refused(f"region {word!r} is none of the model's {len(blocks)} blocks")
    return found
