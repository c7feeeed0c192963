"""Blocks whose insides are recomputed for the backward pass, to save memory."""

from typing import Any

import flax.linen as nn


def call(block: nn.Module, x: Any, *, train: bool, recomputed: bool) -> Any:
    """The output of a block of a Linen network.

    Args:
        block: the submodule.
        x: its input.
        train: whether it is in training mode.
        recomputed: whether of all that the block computes only its input is kept for the backward
            pass, which then computes the rest again: for a third more time in all, at most. Dropout
            draws the same again.
    """

    def through(block: nn.Module, x: Any) -> Any:
        return block(x, train=train)

    return nn.remat(through)(block, x) if recomputed else through(block, x)
