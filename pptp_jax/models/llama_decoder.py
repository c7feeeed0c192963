"""A decoder of text in the manner of Llama."""

from dataclasses import replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.models.rematerialization import call
from pptp_jax.tasks import Language
from pptp_jax.validation import Refused, at_least, positive

Stream = Float[Array, "batch tokens width"]
Heads = Float[Array, "batch tokens heads size"]


def _initial(width: int) -> Any:
    return nn.initializers.normal(width**-0.5)


def _dense(features: int, width: int, name: str) -> nn.Dense:
    return nn.Dense(features, use_bias=False, kernel_init=_initial(width), name=name)


def rotated(x: Heads, theta: float) -> Heads:
    """Rotary positions: the i-th value of a head's first half and of its second are turned.

    The angle is the place times theta^(−2i / size), and is computed in float32.

    Args:
        x: queries or keys, whose size is even.
        theta: the base of the angles.

    References:
        Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021,
        https://arxiv.org/abs/2104.09864. It turns neighbouring values, as GGUF files do; halves
        are the order of `transformers`.
    """
    half = x.shape[-1] // 2
    rates = jnp.float32(theta) ** (jnp.arange(half, dtype=jnp.float32) / -half)
    angles = (jnp.arange(x.shape[1], dtype=jnp.float32)[:, None] * rates[None])[None, :, None]
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    turned = [first * cos - second * sin, second * cos + first * sin]
    return jnp.concatenate(turned, axis=-1).astype(x.dtype)


class _Attention(nn.Module):
    heads: int
    kv_heads: int
    theta: float

    @nn.compact
    def __call__(self, x: Stream) -> Stream:
        width = x.shape[-1]
        size = width // self.heads

        def project(heads: int, name: str) -> Heads:
            return _dense(heads * size, width, name)(x).reshape(*x.shape[:2], heads, size)

        query = rotated(project(self.heads, "query"), self.theta)
        key = rotated(project(self.kv_heads, "key"), self.theta)
        value = project(self.kv_heads, "value")
        # Its other implementation is for GPUs alone, in half precision. The softmax is float32.
        mixed = jax.nn.dot_product_attention(
            query, key, value, is_causal=True, implementation="xla"
        )
        return _dense(width, width, "out")(mixed.reshape(x.shape))


class _SwiGLU(nn.Module):
    hidden: int

    @nn.compact
    def __call__(self, x: Stream) -> Stream:
        width = x.shape[-1]
        gate = nn.silu(_dense(self.hidden, width, "gate")(x))
        return _dense(width, width, "down")(gate * _dense(self.hidden, width, "up")(x))


class _DecoderBlock(nn.Module):
    heads: int
    kv_heads: int
    hidden: int
    theta: float
    epsilon: float

    @nn.compact
    def __call__(self, x: Stream, *, train: bool) -> Stream:
        y = nn.RMSNorm(self.epsilon, name="norm1")(x)
        x = x + _Attention(self.heads, self.kv_heads, self.theta, name="attention")(y)
        y = nn.RMSNorm(self.epsilon, name="norm2")(x)
        return x + _SwiGLU(self.hidden, name="mlp")(y)


class _Head(nn.Module):
    vocab: int
    epsilon: float

    @nn.compact
    def __call__(
        self, x: Stream, embedding: Float[Array, "vocab width"] | None
    ) -> Float[Array, "batch tokens vocab"]:
        x = nn.RMSNorm(self.epsilon, name="norm")(x)
        if embedding is None:
            return _dense(self.vocab, x.shape[-1], "dense")(x)
        return x @ embedding.T


class _Llama(nn.Module):
    vocab: int
    width: int
    depth: int
    heads: int
    kv_heads: int
    hidden: int
    context: int
    theta: float
    epsilon: float
    tied: bool
    remat: bool

    @nn.compact
    def __call__(
        self, x: Shaped[Array, "batch tokens"], *, train: Mode
    ) -> Float[Array, "batch tokens vocab"]:
        if not jnp.issubdtype(x.dtype, jnp.integer):
            raise Refused(f"a decoder needs token ids, integers, got {x.dtype}")
        if x.shape[1] > self.context:
            raise Refused(
                f"a sequence of {x.shape[1]} tokens is longer than the context of {self.context}"
            )
        embed = nn.Embed(self.vocab, self.width, embedding_init=_initial(self.width), name="embed")
        y = embed(x)
        for i in range(1, self.depth + 1):
            name = f"block{i}"
            block = _DecoderBlock(
                self.heads, self.kv_heads, self.hidden, self.theta, self.epsilon, name=name
            )
            y = call(block, y, train=learns(train, name), recomputed=self.remat)
        head = _Head(self.vocab, self.epsilon, name="head")
        return head(y, embed.embedding if self.tied else None)


def llama(
    vocab: int = 257,
    width: int = 64,
    depth: int = 2,
    heads: int = 4,
    kv_heads: int = 2,
    hidden: int = 176,
    context: int = 128,
    *,
    theta: float = 10_000.0,
    epsilon: float = 1e-5,
    tied: bool = True,
    remat: bool = False,
) -> Model:
    """A decoder of text in the manner of Llama, of any size.

    It has RMS norms before each layer, rotary positions, groups of query heads that share keys and
    values, and gated hidden layers (SwiGLU); no biases, no dropout. Kernels and the embedding begin
    normal with the standard deviation 1/√width. In bfloat16 the norms' means, the rotation and the
    softmax are computed in float32.

    `llama_from_gguf` and `llama_from_safetensors` make one of published weights.

    Args:
        vocab: how many tokens there are.
        width: the width of the residual stream.
        depth: the number of decoder blocks.
        heads: the heads of the queries; they divide the width into even parts.
        kv_heads: the heads of the keys and values; they divide the heads.
        hidden: the width of a block's hidden layer.
        context: the most tokens that a sequence may have.
        theta: the base of the rotary angles.
        epsilon: what the norms add to the mean square.
        tied: whether the embedding of the tokens is the head's matrix as well. Then it belongs to
            the block `embed`, and `head` holds the last norm alone.
        remat: whether each decoder block is computed again for the backward pass, for less memory
            and up to a third more time.

    Returns:
        A model of the task `Language`, for token ids (batch, tokens), with logits (batch, tokens,
        vocab) of each next token, the blocks `embed`, `block1` ... and `head`, which has the last
        norm, and the parts `attention` and `mlp`.

    Raises:
        ValueError: if a number is out of range, or heads do not divide; from a call, if the inputs
            are no integers or longer than the context.

    References:
        Touvron et al., "LLaMA: Open and Efficient Foundation Language Models", 2023,
        https://arxiv.org/abs/2302.13971
        Ainslie et al., "GQA: Training Generalized Multi-Query Transformer Models from Multi-Head
        Checkpoints", 2023, https://arxiv.org/abs/2305.13245

    Examples:
        >>> model, x = llama(depth=3), jnp.array([[72, 101, 108]])
        >>> [block.name for block in model.blocks]
        ['embed', 'block1', 'block2', 'block3', 'head']
        >>> params, state = model.init(jax.random.key(0), x)
        >>> model.apply(params, state, x, train=False, key=None)[0].shape
        (1, 3, 257)
    """
    at_least(1, width=width, depth=depth, heads=heads, kv_heads=kv_heads)
    at_least(1, hidden=hidden, context=context)
    at_least(2, vocab=vocab)
    positive(theta=theta, epsilon=epsilon)
    if width % (2 * heads):
        raise Refused(
            f"heads must divide the width into even parts, got {heads} heads and width {width}"
        )
    if heads % kv_heads:
        raise Refused(f"kv_heads must divide heads, got {kv_heads} and {heads}")
    config = {
        "name": "llama",
        "vocab": vocab,
        "width": width,
        "depth": depth,
        "heads": heads,
        "kv_heads": kv_heads,
        "hidden": hidden,
        "context": context,
        "theta": theta,
        "epsilon": epsilon,
        "tied": tied,
        "remat": remat,
    }
    sizes = (vocab, width, depth, heads, kv_heads, hidden, context)
    module = _Llama(*sizes, theta, epsilon, tied, remat)
    names = ["embed", *(f"block{i}" for i in range(1, depth + 1)), "head"]
    parts = {"attention": "block.*/attention/.*", "mlp": "block.*/mlp/.*"}
    return replace(from_linen(module, names, config, parts), task=Language())
