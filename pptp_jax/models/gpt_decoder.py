"""A small decoder of text, in the manner of GPT-2."""

import math
from dataclasses import replace

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.models.rematerialization import call
from pptp_jax.tasks import Language
from pptp_jax.validation import Refused, at_least, fraction

# GPT-2's; layers that write into the residual stream begin smaller, by the root of their number.
_STDDEV = 0.02

Stream = Float[Array, "batch tokens width"]


class _Embed(nn.Module):
    vocab: int
    width: int
    context: int
    dropout: float

    def setup(self) -> None:
        begin = nn.initializers.normal(_STDDEV)
        self.tokens = nn.Embed(self.vocab, self.width, embedding_init=begin)
        self.positions = self.param("positions", begin, (self.context, self.width))
        self.drop = nn.Dropout(self.dropout)

    def __call__(self, x: Int[Array, "batch tokens"], *, train: bool) -> Stream:
        x = self.tokens(x) + self.positions[None, : x.shape[1]]
        return self.drop(x, deterministic=not train)

    def scores(self, x: Stream) -> Float[Array, "batch tokens vocab"]:
        """The scores of each token's embedding: the head of a network whose head is tied."""
        return self.tokens.attend(x)


class _DecoderBlock(nn.Module):
    depth: int
    heads: int
    dropout: float

    @nn.compact
    def __call__(self, x: Stream, *, train: bool) -> Stream:
        drop = nn.Dropout(self.dropout, deterministic=not train)
        width = x.shape[-1]
        begin, last = (
            nn.initializers.normal(stddev)
            for stddev in (_STDDEV, _STDDEV / math.sqrt(2 * self.depth))
        )
        earlier = nn.make_causal_mask(jnp.ones(x.shape[:2], bool), dtype=bool)
        y = nn.LayerNorm(name="norm1")(x)
        y = nn.MultiHeadDotProductAttention(
            self.heads, kernel_init=begin, out_kernel_init=last, name="attention"
        )(y, mask=earlier)
        x = x + drop(y)
        y = nn.LayerNorm(name="norm2")(x)
        y = nn.gelu(nn.Dense(4 * width, kernel_init=begin, name="dense1")(y))
        return x + drop(nn.Dense(width, kernel_init=last, name="dense2")(y))


class _Head(nn.Module):
    vocab: int
    tied: bool

    @nn.compact
    def __call__(self, x: Stream) -> Float[Array, "batch tokens _"]:
        x = nn.LayerNorm(name="norm")(x)
        if self.tied:
            return x
        begin = nn.initializers.normal(_STDDEV)
        return nn.Dense(self.vocab, use_bias=False, kernel_init=begin, name="dense")(x)


class _GPT(nn.Module):
    vocab: int
    width: int
    depth: int
    heads: int
    context: int
    tied: bool
    dropout: float
    remat: bool

    @nn.compact
    def __call__(
        self, x: Shaped[Array, "batch tokens"], *, train: Mode
    ) -> Float[Array, "batch tokens vocab"]:
        if x.ndim != 2 or not jnp.issubdtype(x.dtype, jnp.integer):
            raise Refused(
                f"a decoder needs token ids, integers of shape (batch, tokens), got {x.dtype} "
                f"of shape {x.shape}"
            )
        if x.shape[1] > self.context:
            raise Refused(
                f"the context must be as long as the sequences, of {x.shape[1]} tokens; it is "
                f"{self.context}"
            )
        embed = _Embed(self.vocab, self.width, self.context, self.dropout, name="embed")
        y = embed(x, train=learns(train, "embed"))
        for i in range(1, self.depth + 1):
            name = f"block{i}"
            block = _DecoderBlock(self.depth, self.heads, self.dropout, name=name)
            y = call(block, y, train=learns(train, name), recomputed=self.remat)
        y = _Head(self.vocab, self.tied, name="head")(y)
        return embed.scores(y) if self.tied else y


def gpt(
    vocab: int = 257,
    width: int = 64,
    depth: int = 2,
    heads: int = 4,
    context: int = 128,
    *,
    tied: bool = False,
    dropout: float = 0.0,
    remat: bool = False,
) -> Model:
    """A decoder of text in the manner of GPT-2: it normalises first, and learns its positions.

    It differs from the published one in that its head has weights of its own unless it is `tied`.

    Args:
        vocab: how many tokens there are; 257 are the bytes and one mark between records.
        width: the width of the residual stream; the hidden layers are four times as wide.
        depth: the number of decoder blocks.
        heads: the heads of the attention; they divide the width.
        context: the most tokens that a sequence may have.
        tied: whether the embedding of the tokens is the head's matrix as well. Then it belongs to
            the block `embed`, and `head` holds the last norm alone.
        dropout: the share of values dropped after the embedding, the attention and the hidden
            layers.
        remat: whether each decoder block is computed again for the backward pass, for less memory
            and up to a third more time.

    Returns:
        A model of the task `Language`, for token ids (batch, tokens), with logits (batch, tokens,
        vocab), the blocks `embed`, `block1` ... and `head`, which has the last norm, and the parts
        `attention` and `mlp`.

    Raises:
        ValueError: if a number is out of range, or the heads do not divide the width; from a call,
            if the inputs are no token ids or longer than the context.

    References:
        Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.

    Examples:
        >>> [block.name for block in gpt(depth=3).blocks]
        ['embed', 'block1', 'block2', 'block3', 'head']
    """
    at_least(1, width=width, depth=depth, heads=heads, context=context)
    at_least(2, vocab=vocab)
    fraction(dropout=dropout)
    if width % heads:
        raise Refused(f"heads must divide the width, got {heads} heads and width {width}")
    config = {
        "name": "gpt",
        "vocab": vocab,
        "width": width,
        "depth": depth,
        "heads": heads,
        "context": context,
        "tied": tied,
        "dropout": dropout,
        "remat": remat,
    }
    module = _GPT(vocab, width, depth, heads, context, tied, dropout, remat)
    names = ["embed", *(f"block{i}" for i in range(1, depth + 1)), "head"]
    parts = {"attention": "block.*/attention/.*", "mlp": "block.*/dense[12]/.*"}
    return replace(from_linen(module, names, config, parts), task=Language())
