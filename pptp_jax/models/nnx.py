"""Models from Flax NNX modules."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from pptp_jax.models.foreign import as_blocks, part, parts_learning, record
from pptp_jax.models.model import Mode, Model, Variables


def from_nnx(
    make: Callable[[nnx.Rngs], nnx.Module],
    blocks: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
) -> Model:
    """A model from an NNX module, which is called with a batch alone.

    `nnx.Param` is trained. What else changes, such as the statistics of `nnx.BatchNorm`, is the
    model's state; it can be recomputed. Random streams, such as those of `nnx.Dropout`, are seeded
    by the key of each step. `module.train()` and `module.eval()` set the mode, also of blocks.

    Args:
        make: builds the module, given the random streams.
        blocks: the paths of its parts in forward order, each one block: `stem`, `layers/0`.
        config: what the model is, as plain data; None records the name of `make`, and of a
            `functools.partial` its arguments.

    Returns:
        The model. Its parameters are a nested dict by attribute, as Linen's are.

    Examples:
        >>> class Net(nnx.Module):
        ...     def __init__(self, rngs):
        ...         self.stem = nnx.Linear(4, 8, rngs=rngs)
        ...         self.head = nnx.Linear(8, 2, rngs=rngs)
        ...     def __call__(self, x):
        ...         return self.head(nnx.relu(self.stem(x)))
        >>> model, x = from_nnx(Net, ["stem", "head"]), jnp.ones((5, 4))
        >>> params, state = model.init(jax.random.key(0), x)
        >>> params["head"]["kernel"].shape, state
        ((8, 2), {})
        >>> model.apply(params, state, x, train=False, key=None)[0].shape
        (5, 2)
    """
    like = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    graph, *states = nnx.split(like, nnx.Param, nnx.RngState, ...)
    streams = states[1]

    def kept(module: nnx.Module) -> Variables:
        _, *states = nnx.split(module, nnx.Param, nnx.RngState, ...)
        params, rest = states[0], states[2]
        state = nnx.to_pure_dict(rest)
        return Variables(nnx.to_pure_dict(params), {"state": state} if state else {})

    def built(params: Any, state: Any, key: Any) -> nnx.Module:
        seeded = _seeded(nnx.to_pure_dict(streams), key)
        module = nnx.merge(graph, params, seeded, state.get("state", {}))
        module.eval()
        return module

    def init(key: Any, x: Any) -> Variables:
        return kept(make(nnx.Rngs(key)))

    def apply(params: Any, state: Any, x: Any, *, train: Mode, key: Any) -> tuple[Any, Any]:
        module = built(params, state, key)
        if train is True:
            module.train()
        for path in parts_learning(train, blocks):
            part(module, path).train()
        outputs = module(x)
        return outputs, kept(module).state if train else state

    def statistics(params: Any, state: Any, x: Any) -> Any:
        module = built(params, state, None)
        for _, layer in nnx.iter_modules(module):
            if isinstance(layer, nnx.BatchNorm):
                layer.use_running_average, layer.momentum = False, 0.0
        module(x)
        return kept(module).state

    return Model(
        init, apply, as_blocks(blocks), record("from_nnx", make, config), statistics=statistics
    )


def _seeded(streams: Any, key: Any) -> Any:
    """Random streams that begin at a key, each in its own place; at any, where nothing is drawn."""
    leaves, structure = jax.tree.flatten(streams)
    key = jax.random.key(0) if key is None else key
    begun = [
        jax.random.fold_in(key, i)
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        else jnp.zeros(leaf.shape, leaf.dtype)
        for i, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, begun)
