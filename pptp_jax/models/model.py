"""What a model is to everything above it: two pure functions and the order of its blocks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import flax.linen as nn

from pptp_jax.regions import Block


class Variables(NamedTuple):
    """A trained model: what the optimiser changes, and what it does not.

    Attributes:
        params: the parameters.
        state: running statistics and the like; an empty dict where there are none.
    """

    params: Any
    state: Any


@dataclass(frozen=True, eq=False)
class Model:
    """Two pure functions, and the names of the parts that regions are made of.

    Attributes:
        init: `init(key, x) -> Variables`, for a batch `x` of shape (batch, *example).
        apply: `apply(params, state, x, *, train, key) -> (logits, state)`, with logits of shape
            (batch, classes). With `train=False` it is deterministic, gets `key=None`, and returns
            the state that it was given.
        blocks: the architectural units in forward order; needed only for region presets.
        config: what the model is, as plain data, for the record.

    Examples:
        A linear model from nothing but two functions:

        >>> import jax.numpy as jnp
        >>> model = Model(
        ...     init=lambda key, x: Variables({"w": jnp.zeros((x.shape[1], 3))}, {}),
        ...     apply=lambda params, state, x, *, train, key: (x @ params["w"], state),
        ... )
        >>> params, state = model.init(None, jnp.ones((1, 2)))
        >>> logits, _ = model.apply(params, state, jnp.ones((5, 2)), train=False, key=None)
        >>> logits.shape
        (5, 3)
    """

    init: Callable[..., Variables]
    apply: Callable[..., tuple[Any, Any]]
    blocks: tuple[Block, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


def from_linen(
    module: nn.Module, blocks: Sequence[str] = (), config: Mapping[str, Any] | None = None
) -> Model:
    """A model from a Linen module whose `__call__` takes `(x, *, train)`.

    Args:
        module: the module; its dropout draws from the stream `dropout`.
        blocks: the names of its submodules in forward order, each one block.
        config: what the model is, as plain data.

    Examples:
        >>> class Linear(nn.Module):
        ...     @nn.compact
        ...     def __call__(self, x, *, train):
        ...         return nn.Dense(3, name="head")(x)
        >>> from_linen(Linear(), ["head"]).blocks
        (Block(name='head', pattern='head/.*'),)
    """

    def init(key: Any, x: Any) -> Variables:
        variables = dict(module.init(key, x, train=False))
        return Variables(variables.pop("params"), variables)

    def apply(params: Any, state: Any, x: Any, *, train: bool, key: Any) -> tuple[Any, Any]:
        rngs = None if key is None else {"dropout": key}
        if train:
            logits, changed = module.apply(
                {"params": params, **state}, x, train=True, rngs=rngs, mutable=list(state)
            )
            return logits, dict(changed)
        return module.apply({"params": params, **state}, x, train=False), state

    return Model(
        init, apply, tuple(Block(name, f"{name}/.*") for name in blocks), dict(config or {})
    )
