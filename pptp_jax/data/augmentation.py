"""Random augmentation of training images, drawn in every step."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from pptp_jax.pytree import pytree
from pptp_jax.validation import Refused, at_least


@pytree
@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random flips, shifts and cutouts of images, of each example on its own.

    They are made on the device, within the step of training. A pytree without leaves: it goes
    wherever the data go, and a change of it is another program.

    Attributes:
        flip: whether every other image, at random, is mirrored from left to right.
        shift: by how many pixels, at most, an image is moved in either direction, each distance as
            likely as the next; what comes in at the border is the image reflected.
        cutout: the side, in pixels, of a square that is filled with the image's mean colour. Its
            centre is any pixel, each as likely as the next; what lies beyond the border is lost, so
            that it may be smaller. The published cutout fills with the mean of the data set, which
            is zero after standardisation; ours knows no data set.

    Raises:
        ValueError: if the shift or the cutout is negative; from a call, if the inputs are no images
            or too small.

    References:
        The standard of CIFAR training, as in Carlini et al., "Membership Inference Attacks From
        First Principles", 2022, https://arxiv.org/abs/2112.03570: flip, and a reflected shift of 4.

        DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
        2017, https://arxiv.org/abs/1708.04552: 16 pixels for CIFAR-10, 8 for CIFAR-100.

    Examples:
        >>> images = jnp.arange(2.0 * 4 * 4).reshape(2, 4, 4, 1)
        >>> Augmentation(flip=True, shift=1)(jax.random.key(0), images).shape
        (2, 4, 4, 1)
        >>> print(Augmentation(cutout=2)(jax.random.key(1), images)[0, :, :, 0])
        [[ 0.   1.   2.   3. ]
         [ 4.   5.   6.   7. ]
         [ 7.5  9.  10.  11. ]
         [ 7.5 13.  14.  15. ]]
    """

    flip: bool = jax.tree.static(default=False)
    shift: int = jax.tree.static(default=0)
    cutout: int = jax.tree.static(default=0)

    def __post_init__(self) -> None:
        at_least(0, shift=self.shift, cutout=self.cutout)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuses inputs, of this shape without their batch, that cannot be flipped or shifted."""
        if len(shape) != 3 or min(shape[:2]) <= self.shift:
            raise Refused(
                f"augmentation needs images of shape (height, width, channels), higher and wider "
                f"than the shift of {self.shift}; the examples have shape {shape}"
            )
        if min(shape[:2]) <= self.cutout:
            raise Refused(
                f"a cutout must be smaller than the images, got {self.cutout} and images of "
                f"{shape[0]}×{shape[1]}"
            )

    def __call__(
        self, key: Key[Array, ""], x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch height width channels"]:
        """A batch of images, each flipped, shifted and cut out at random."""
        self.check(x.shape[1:])
        flipping, shifting = jax.random.split(key)
        flipped = jax.random.bernoulli(flipping, 0.5, (len(x),)) & self.flip
        corners = jax.random.randint(shifting, (len(x), 2), 0, 2 * self.shift + 1)
        # A TPU compiles slices at places of their own to a loop over images; it multiplies instead.
        cut = jax.vmap(self._one)
        x = jax.lax.platform_dependent(x, flipped, corners, tpu=self._picked, default=cut)
        if not self.cutout:
            return x
        # From a key of its own: flips and shifts are the same with and without it.
        height, width = x.shape[1:3]
        ends = jnp.array([[height, width]])
        centres = jax.random.randint(jax.random.fold_in(key, 2), (len(x), 2), 0, ends)
        return self._without_squares(x, centres)

    def _without_squares(
        self,
        x: Float[Array, "batch height width channels"],
        centres: Int[Array, "batch two"],
    ) -> Float[Array, "batch height width channels"]:
        """Images with a square around each centre filled."""
        first = centres - self.cutout // 2

        def within(size: int, first: Int[Array, " batch"]) -> Bool[Array, "batch size"]:
            places = jnp.arange(size)[None] - first[:, None]
            return jnp.logical_and(places >= 0, places < self.cutout)

        rows, columns = within(x.shape[1], first[:, 0]), within(x.shape[2], first[:, 1])
        square = jnp.logical_and(rows[:, :, None], columns[:, None])
        mean = x.mean(axis=(1, 2), keepdims=True)
        return jnp.where(square[..., None], mean, x)

    def _one(
        self,
        x: Float[Array, "height width channels"],
        flipped: Bool[Array, ""],
        corner: Int[Array, " two"],
    ) -> Float[Array, "height width channels"]:
        x = jnp.where(flipped, x[:, ::-1], x)
        around = (self.shift, self.shift)
        wide = jnp.pad(x, (around, around, (0, 0)), mode="reflect")
        return jax.lax.dynamic_slice(wide, (corner[0], corner[1], 0), x.shape)

    def _picked(
        self,
        x: Float[Array, "batch height width channels"],
        flipped: Bool[Array, " batch"],
        corners: Int[Array, "batch two"],
    ) -> Float[Array, "batch height width channels"]:
        """The same by products with matrices of zeros and ones, a row and a column at a time."""
        height, width = x.shape[1:3]
        rows, columns = self._from(height, corners[:, 0]), self._from(width, corners[:, 1])
        columns = jnp.where(flipped[:, None], width - 1 - columns, columns)
        # In full float32 a product with 1 is the number itself.
        pick = partial(jnp.einsum, precision="highest")
        x = pick("bij,bjwc->biwc", jax.nn.one_hot(rows, height, dtype=x.dtype), x)
        return pick("bkw,biwc->bikc", jax.nn.one_hot(columns, width, dtype=x.dtype), x)

    def _from(self, size: int, corners: Int[Array, " batch"]) -> Int[Array, "batch size"]:
        """The source of each row of a shifted image, reflected at the borders."""
        places = jnp.abs(jnp.arange(size)[None] + corners[:, None] - self.shift)
        return size - 1 - jnp.abs(size - 1 - places)
