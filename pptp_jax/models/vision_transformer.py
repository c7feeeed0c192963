"""A small vision transformer."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.models.rematerialization import call
from pptp_jax.validation import Refused, at_least, fraction, several


class _PatchEmbed(nn.Module):
    patch: int
    width: int
    dropout: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch _ _"]:
        batch, height, width, channels = x.shape
        side = self.patch
        if height % side or width % side:
            raise Refused(
                f"patch must divide the images' height and width, got patch {side} and images of "
                f"{height}×{width}"
            )
        x = x.reshape(batch, height // side, side, width // side, side, channels)
        x = x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, -1, side * side * channels)
        x = nn.Dense(self.width, name="patches")(x)
        position = self.param("position", nn.initializers.normal(0.02), (1, *x.shape[1:]))
        return nn.Dropout(self.dropout, deterministic=not train)(x + position)


class _EncoderBlock(nn.Module):
    heads: int
    mlp: int
    dropout: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch tokens width"], *, train: bool
    ) -> Float[Array, "batch tokens width"]:
        drop = nn.Dropout(self.dropout, deterministic=not train)
        y = nn.LayerNorm(name="norm1")(x)
        y = nn.MultiHeadDotProductAttention(
            self.heads, kernel_init=nn.initializers.xavier_uniform(), name="attention"
        )(y)
        x = x + drop(y)
        y = nn.LayerNorm(name="norm2")(x)
        y = _dense(self.mlp, "dense1")(y)
        y = _dense(x.shape[-1], "dense2")(drop(nn.gelu(y, approximate=False)))
        return x + drop(y)


def _dense(features: int, name: str) -> nn.Dense:
    return nn.Dense(features, kernel_init=nn.initializers.xavier_uniform(), name=name)


class _Stage(nn.Module):
    depth: int
    heads: int
    mlp: int
    dropout: float
    remat: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch tokens width"], *, train: bool
    ) -> Float[Array, "batch tokens width"]:
        for i in range(1, self.depth + 1):
            block = _EncoderBlock(self.heads, self.mlp, self.dropout, name=f"block{i}")
            x = call(block, x, train=train, recomputed=self.remat)
        return x


class _Head(nn.Module):
    num_classes: int

    @nn.compact
    def __call__(self, x: Float[Array, "batch tokens width"]) -> Float[Array, "batch _"]:
        x = nn.LayerNorm(name="norm")(x)
        return nn.Dense(self.num_classes, name="dense")(jnp.mean(x, axis=1))


class _ViT(nn.Module):
    num_classes: int
    patch: int
    width: int
    depths: tuple[int, ...]
    heads: int
    mlp: int
    dropout: float
    remat: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: Mode
    ) -> Float[Array, "batch _"]:
        embed = _PatchEmbed(self.patch, self.width, self.dropout, name="patch_embed")
        x = embed(x, train=learns(train, "patch_embed"))
        for i, depth in enumerate(self.depths, start=1):
            name = f"stage{i}"
            stage = _Stage(depth, self.heads, self.mlp, self.dropout, self.remat, name=name)
            x = stage(x, train=learns(train, name))
        return _Head(self.num_classes, name="head")(x)


def vit(
    num_classes: int = 10,
    *,
    patch: int = 4,
    width: int = 192,
    depths: Sequence[int] = (2, 2, 2),
    heads: int = 3,
    mlp: int = 768,
    dropout: float = 0.0,
    remat: bool = False,
) -> Model:
    """A small vision transformer: patches, positions, encoder blocks that normalise first.

    It differs from the published one in that the tokens of the patches are averaged, so that there
    is no class token. Layer norm mixes no examples, so the model is fit for private training as it
    is. Dense layers of the encoder begin Xavier uniform.

    Args:
        num_classes: the number of outputs.
        patch: the side of a patch; it divides the height and width of the images.
        width: the width of a token.
        depths: the encoder blocks of each stage.
        heads: the heads of the attention; they divide the width.
        mlp: the width of an encoder block's hidden layer.
        dropout: the share of values dropped after the positions, the attention and the two layers
            of an encoder block.
        remat: whether each encoder block is computed again for the backward pass, for less memory
            and up to a third more time.

    Returns:
        A model for inputs (batch, height, width, channels) with the blocks `patch_embed`, `stage1`
        ... and `head`, which has the last norm, and the parts `embed`, `attention` and `mlp`, of
        which the last two have no norms.

    Raises:
        ValueError: if a number is out of range, there is no stage, or the heads do not divide the
            width.

    References:
        Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020, https://arxiv.org/abs/2010.11929

    Examples:
        >>> [block.name for block in vit(num_classes=10).blocks]
        ['patch_embed', 'stage1', 'stage2', 'stage3', 'head']
    """
    several(depths=depths)
    at_least(1, patch=patch, width=width, heads=heads, mlp=mlp, stages=len(depths))
    at_least(1, **{f"depths[{i}]": depth for i, depth in enumerate(depths)})
    at_least(2, num_classes=num_classes)
    fraction(dropout=dropout)
    if width % heads:
        raise Refused(f"heads must divide the width, got {heads} heads and width {width}")
    config = {
        "name": "vit",
        "num_classes": num_classes,
        "patch": patch,
        "width": width,
        "depths": list(depths),
        "heads": heads,
        "mlp": mlp,
        "dropout": dropout,
        "remat": remat,
    }
    module = _ViT(num_classes, patch, width, tuple(depths), heads, mlp, dropout, remat)
    names = [f"stage{i}" for i in range(1, len(depths) + 1)]
    parts = {
        "embed": "patch_embed/.*",
        "attention": ".*/attention/.*",
        "mlp": ".*/dense[12]/.*",
    }
    return from_linen(module, ["patch_embed", *names, "head"], config, parts)
