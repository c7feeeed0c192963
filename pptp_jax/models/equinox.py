"""Models from Equinox modules."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict

from pptp_jax.models.foreign import as_blocks, part, parts_learning, record
from pptp_jax.models.model import Mode, Model, Variables
from pptp_jax.regions import paths


def from_equinox(
    make: Callable[[Any], Any],
    blocks: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
) -> Model:
    """A model from an Equinox module, which is called with one example, as Equinox's own are.

    Floating-point arrays are trained. A stateful module, such as one with `eqx.nn.BatchNorm`, is
    called with the `eqx.nn.State` as well and returns the new one; the axis of the batch is called
    `batch`. A module whose call takes a `key` is given one in training.
    `eqx.nn.inference_mode` sets the mode, also of blocks. Needs Equinox.

    Args:
        make: builds the module, given a key.
        blocks: the paths of its parts in forward order, each one block: `stem`, `layers/0`.
        config: what the model is, as plain data; None records the name of `make`, and of a
            `functools.partial` its arguments.

    Returns:
        The model. Its parameters are a nested dict by attribute.

    Examples:
        >>> import equinox as eqx
        >>> def make(key):
        ...     return eqx.nn.MLP(4, 2, width_size=8, depth=1, key=key)
        >>> model, x = from_equinox(make, ["layers/0", "layers/1"]), jnp.ones((5, 4))
        >>> params, state = model.init(jax.random.key(0), x)
        >>> params["layers"]["1"]["weight"].shape, state
        ((2, 8), {})
        >>> model.apply(params, state, x, train=False, key=None)[0].shape
        (5, 2)
    """
    eqx = _equinox()
    begin = eqx.nn.make_with_state(make)
    like, memory_like = eqx.filter_eval_shape(begin, jax.random.key(0))
    names, leaves = paths(like), jax.tree.leaves(like)
    arrays = {name for name, leaf in zip(names, leaves, strict=True) if _is_array(leaf)}
    stateful = bool(jax.tree.leaves(memory_like))
    takes_key = "key" in inspect.signature(type(like).__call__).parameters

    def split(module: Any, memory: Any) -> Variables:
        found = dict(zip(paths(module), jax.tree.leaves(module), strict=True))
        own = {name: jnp.asarray(found[name]) for name in names if name in arrays}
        params = {n: leaf for n, leaf in own.items() if jnp.issubdtype(leaf.dtype, jnp.inexact)}
        rest = {n: leaf for n, leaf in own.items() if n not in params}
        kept = {"constants": rest, "state": _numbered(memory)}
        return Variables(_nested(params), {name: tree for name, tree in kept.items() if tree})

    def built(params: Any, state: Any) -> tuple[Any, Any]:
        own = flatten_dict(params, sep="/") | state.get("constants", {})
        module = jax.tree.unflatten(
            jax.tree.structure(like),
            [own.get(name, leaf) for name, leaf in zip(names, leaves, strict=True)],
        )
        numbered = state.get("state", {})
        memory = [numbered[str(i)] for i in range(len(numbered))]
        return module, jax.tree.unflatten(jax.tree.structure(memory_like), memory)

    def init(key: Any, x: Any) -> Variables:
        return split(*begin(key))

    def apply(params: Any, state: Any, x: Any, *, train: Mode, key: Any) -> tuple[Any, Any]:
        module, memory = built(params, state)
        module = eqx.nn.inference_mode(module, value=train is not True)
        for path in parts_learning(train, blocks):
            learns = partial(eqx.nn.inference_mode, value=False)
            module = eqx.tree_at(partial(part, path=path), module, replace_fn=learns)

        def one(x: Any, key: Any) -> tuple[Any, Any]:
            named = {"key": key} if takes_key else {}
            return module(x, memory, **named) if stateful else (module(x, **named), memory)

        keys = None if key is None else jax.random.split(key, len(x))
        over = jax.vmap(
            one, in_axes=(0, None if key is None else 0), out_axes=(0, None), axis_name="batch"
        )
        outputs, memory = over(x, keys)
        return outputs, split(module, memory).state if train else state

    return Model(init, apply, as_blocks(blocks), record("from_equinox", make, config))


def _numbered(memory: Any) -> dict[str, Any]:
    return {str(i): leaf for i, leaf in enumerate(jax.tree.leaves(memory))}


def _equinox() -> ModuleType:
    try:
        import equinox
    except ImportError as error:
        raise ImportError(
            'Equinox is not installed: python -m pip install "pptp-jax[equinox]"'
        ) from error
    return equinox


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)


def _nested(flat: Mapping[str, Any]) -> Any:
    return unflatten_dict(dict(flat), sep="/")
