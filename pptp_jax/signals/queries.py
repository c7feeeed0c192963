"""Queries: transformations of an example, such as mirroring, for the attacked model."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Shaped

from pptp_jax.validation import Refused


@dataclass(frozen=True, kw_only=True)
class Query:
    """An image as it is, mirrored, moved, or mirrored and then moved.

    An attacker who asks more than once sees more: the images that a model was trained on it often
    knows by their mirror image and their neighbours as well.

    Attributes:
        flip: whether the image is mirrored from left to right.
        dy: by how many pixels it is moved down; up where it is negative.
        dx: by how many pixels it is moved to the right. What comes in at a border is the image
            reflected, as in training (`pptp_jax.data.Augmentation`).

    References:
        Carlini et al., "Membership Inference Attacks From First Principles", 2022,
        https://arxiv.org/abs/2112.03570, section VI-C

    Examples:
        >>> image = jnp.arange(3.0).reshape(1, 1, 3, 1)
        >>> query = Query(flip=True, dx=1)
        >>> query.name, query(image).ravel().tolist()
        ('flip shift(0, 1)', [1.0, 2.0, 1.0])
    """

    flip: bool = False
    dy: int = 0
    dx: int = 0

    @property
    def name(self) -> str:
        """The name of the query in records."""
        moved = f"shift({self.dy}, {self.dx})" if self.dy or self.dx else ""
        return " ".join(filter(None, ("flip" * self.flip, moved))) or "identity"

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuses examples, of this shape, that cannot be mirrored or moved.

        Raises:
            ValueError: if they are no images, or too small.
        """
        if self == IDENTITY:
            return
        if len(shape) != 3 or shape[0] <= abs(self.dy) or shape[1] <= abs(self.dx):
            raise Refused(
                f"the query {self.name!r} needs images of shape (height, width, channels), higher "
                f"and wider than the shift; the examples have shape {shape}"
            )

    def __call__(self, x: Shaped[Array, "batch ..."]) -> Shaped[Array, "batch ..."]:
        """A batch of examples in the form that is shown."""
        if self == IDENTITY:
            return x
        self.check(x.shape[1:])
        if self.flip:
            x = x[:, :, ::-1]
        _, height, width, _ = x.shape
        down, right = abs(self.dy), abs(self.dx)
        wide = jnp.pad(x, ((0, 0), (down, down), (right, right), (0, 0)), mode="reflect")
        top, left = down - self.dy, right - self.dx
        return wide[:, top : top + height, left : left + width]


IDENTITY = Query()
FLIP = Query(flip=True)


def shift(dy: int, dx: int) -> Query:
    """The query that moves an image down and to the right.

    Args:
        dy: by how many pixels down.
        dx: by how many pixels to the right.

    Examples:
        >>> shift(0, -2).name
        'shift(0, -2)'
    """
    return Query(dy=dy, dx=dx)


def check_queries(queries: tuple[Query, ...], shape: tuple[int, ...] | None = None) -> None:
    """Refuses queries that do not begin with the identity, repeat, or do not fit the examples.

    Args:
        queries: the queries.
        shape: the shape of one example, if it is known.

    Raises:
        ValueError: saying which and why.

    Examples:
        >>> check_queries((FLIP, IDENTITY))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: query 0 must be 'identity', which gives the accuracy; got ...
    """
    names = [query.name for query in queries]
    if not queries or queries[0] != IDENTITY:
        found = repr(names[0]) if names else "no query"
        raise Refused(f"query 0 must be 'identity', which gives the accuracy; got {found}")
    if len(set(names)) < len(names):
        raise Refused(f"every query must be another one, got {', '.join(names)}")
    if shape is not None:
        for query in queries:
            query.check(shape)
