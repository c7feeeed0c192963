"""Example-tied dropout: channels that belong to some examples alone, and are off at test time."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.validation import Refused, fraction

# Of the hash that gives each row its channels, the same in all models.
_SEED = 2023

Shares = tuple[float, float]


class TiedChannels(NamedTuple):
    """The division of a layer's channels.

    The first ones are general, and always on. Of the others, the memory, each example owns some:
    in training these are on for it, and the rest of the memory is off. At test time all of the
    memory is off, and the general channels are scaled by (general + owned) / general, so that the
    next layer gets as much as in training from as many channels.

    Which channels an example owns depends on its row in the data alone: not on the epoch, nor the
    model, nor its values. Each example owns equally many.

    Attributes:
        general: how many channels are always on.
        memory: how many others there are.
        owned: how many of these each example owns.

    References:
        Maini et al., "Can Neural Network Memorization Be Localized?", ICML 2023,
        https://arxiv.org/abs/2307.09542. In the authors' code each channel is owned by a coin flip,
        and the factor is (p + m) / p for the shares p of general channels and m of owned memory.

    Examples:
        >>> TiedChannels.of(64, (0.5, 0.1))
        TiedChannels(general=32, memory=32, owned=3)
    """

    general: int
    memory: int
    owned: int

    @classmethod
    def of(cls, channels: int, shares: tuple[float, ...]) -> "TiedChannels":
        """Divides channels into general ones and memory.

        Args:
            channels: how many there are.
            shares: the share of general channels, and that of the memory that an example owns; of
                a share above zero it owns one channel at least.

        Raises:
            ValueError: if these are no two shares, or leave no general channel or no memory.

        Examples:
            >>> TiedChannels.of(8, (1.0, 0.1))
            Traceback (most recent call last):
                ...
            pptp_jax.validation.Refused: tied_dropout=(1.0, 0.1) leaves 8 of 8 channels general: ...
        """
        if len(shares) != 2:
            raise Refused(
                "tied_dropout takes two shares, of general channels and of the memory that an "
                f"example owns, such as (0.5, 0.1); got {shares}"
            )
        always, own = shares
        fraction(**{"tied_dropout[0]": always, "tied_dropout[1]": own})
        general = round(always * channels)
        memory = channels - general
        if not 0 < general < channels:
            raise Refused(
                f"tied_dropout={shares} leaves {general} of {channels} channels general: at least "
                "one must be, and at least one must not"
            )
        return cls(general, memory, max(1, round(own * memory)) if own else 0)

    def owned_by(self, rows: Int[Array, " batch"]) -> Bool[Array, "batch memory"]:
        """Which channels of the memory the examples of some rows own.

        Args:
            rows: where the examples stand in the data.

        Examples:
            >>> mine, its = TiedChannels(general=4, memory=16, owned=2).owned_by(jnp.array([7, 8]))
            >>> int(mine.sum()), int(its.sum()), bool((mine == its).all())
            (2, 2, False)
        """

        def order(row: Int[Array, ""]) -> Int[Array, " memory"]:
            key = jax.random.fold_in(jax.random.key(_SEED), row)
            return jax.random.permutation(key, self.memory)

        return jax.vmap(order)(rows) < self.owned

    def on(
        self, x: Float[Array, "batch channels"], rows: Int[Array, " batch"] | None
    ) -> Float[Array, "batch channels"]:
        """The channels of a batch after the dropout.

        Args:
            x: the channels before.
            rows: where the examples stand in the data; None is test time.

        Examples:
            >>> TiedChannels(general=2, memory=2, owned=1).on(jnp.ones((1, 4)), None).tolist()
            [[1.5, 1.5, 0.0, 0.0]]
        """
        general, memory = x[:, : self.general], x[:, self.general :]
        if rows is None:
            factor = (self.general + self.owned) / self.general
            return jnp.concatenate([factor * general, jnp.zeros_like(memory)], axis=1)
        own = jnp.where(self.owned_by(rows), memory, jnp.zeros_like(memory))
        return jnp.concatenate([general, own], axis=1)


def one_dropout(channels: int, dropout: float, tied: Shares | None) -> TiedChannels | None:
    """The division of a layer's channels, if its dropout is tied to examples.

    Args:
        channels: how many there are.
        dropout: the share that plain dropout drops.
        tied: the shares of `TiedChannels.of`; None ties nothing.

    Raises:
        ValueError: if the dropout is no fraction, both kinds are given, or the shares do not fit.

    Examples:
        >>> one_dropout(64, dropout=0.3, tied=None) is None
        True
    """
    fraction(dropout=dropout)
    if tied is None:
        return None
    if dropout:
        raise Refused(
            f"dropout={dropout} and tied_dropout={tied} drop the same maps: give one of them"
        )
    return TiedChannels.of(channels, tied)
