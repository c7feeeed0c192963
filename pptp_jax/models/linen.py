"""Models from Linen modules."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn

from pptp_jax.models.initialization import INITIALIZATIONS, redrawn
from pptp_jax.models.model import Mode, Model, Variables
from pptp_jax.regions import Block
from pptp_jax.validation import Refused, one_of


def from_linen(
    module: nn.Module,
    blocks: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    parts: Mapping[str, str] | None = None,
    *,
    sees_rows: bool = False,
    initialization: str | None = None,
) -> Model:
    """A model from a Linen module whose `__call__` takes `(x, *, train)`.

    The statistics of its `flax.linen.BatchNorm` layers can be recomputed. A block has what its
    submodule returns as its features.

    Args:
        module: the module; its dropout draws from the stream `dropout`. To train in part it asks
            `learns(train, name)` for each of its blocks.
        blocks: the names of its submodules in forward order, each one block.
        config: what the model is, as plain data.
        parts: by name, the pattern that a part's parameters match: `{"mlp": ".*/mlp/.*"}`.
        sees_rows: whether its `__call__` takes the keyword `rows` in training; see
            `Model.sees_rows`.
        initialization: the variance of normal initial kernels, a name that `weight_variance` knows;
            None leaves the module's own. The last block's layer counts as the last.

    Raises:
        ValueError: if the initialization is unknown.

    Returns:
        The model. Its `apply` raises a ValueError if `train` names what is no block.

    Examples:
        >>> class Linear(nn.Module):
        ...     @nn.compact
        ...     def __call__(self, x, *, train):
        ...         return nn.Dense(3, name="head")(x)
        >>> from_linen(Linear(), ["head"]).blocks
        (Block(name='head', pattern='head/.*'),)
    """
    if initialization is not None:
        one_of(INITIALIZATIONS, initialization=initialization)
        config = {**(config or {}), "initialization": initialization}

    def init(key: Any, x: Any) -> Variables:
        variables = dict(module.init(key, x, train=False))
        params = variables.pop("params")
        if initialization is not None:
            params = redrawn(params, key, initialization, blocks[-1])
        return Variables(params, variables)

    def apply(
        params: Any, state: Any, x: Any, *, train: Mode, key: Any, **rows: Any
    ) -> tuple[Any, Any]:
        if train and sees_rows and rows.get("rows") is None:
            raise Refused(
                "this model trains by the rows at which its examples stand in the data: give the "
                "numbers as apply(..., rows=...), the same in every epoch"
            )
        if blocks and not isinstance(train, bool):
            for name in train:
                one_of(blocks, train=name)
        rngs = None if key is None else {"dropout": key}
        if train:
            logits, changed = module.apply(
                {"params": params, **state},
                x,
                train=train,
                rngs=rngs,
                mutable=list(state),
                **rows,
            )
            return logits, dict(changed)
        return module.apply({"params": params, **state}, x, train=False), state

    def statistics(params: Any, state: Any, x: Any) -> Any:
        if "batch_stats" not in state:
            return state
        with nn.intercept_methods(_measure):
            _, changed = module.apply(
                {"params": params, **state}, x, train=True, mutable=["batch_stats"]
            )
        return {**state, "batch_stats": changed["batch_stats"]}

    def features(params: Any, state: Any, x: Any) -> tuple[Any, ...]:
        _, seen = module.apply(
            {"params": params, **state},
            x,
            train=False,
            capture_intermediates=lambda part, _: part.path in {(name,) for name in blocks},
            mutable=["intermediates"],
        )
        return tuple(seen["intermediates"][name]["__call__"][0] for name in blocks)

    return Model(
        init,
        apply,
        tuple(Block(name, f"{name}/.*") for name in blocks),
        dict(config or {}),
        statistics,
        features,
        parts=tuple(Block(*part) for part in (parts or {}).items()),
        sees_rows=sees_rows,
    )


def _measure(
    call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: Any
) -> Any:
    """Runs a layer so that batch norm keeps the batch's statistics, and nothing is dropped."""
    layer = context.module
    if isinstance(layer, nn.Dropout):
        return args[0]
    if isinstance(layer, nn.BatchNorm) and layer.momentum != 0:
        # Without momentum the statistics of the batch take the place of the running ones. The
        # twin on the same scope reads and writes the layer's own variables.
        return layer.clone(parent=layer.scope, momentum=0.0)(*args, **kwargs)
    return call(*args, **kwargs)
