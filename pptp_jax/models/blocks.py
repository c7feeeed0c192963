"""The blocks of a model as regions, and as numbers for its parameters."""

from typing import Any

import jax

from pptp_jax.models.model import Model
from pptp_jax.regions import RegionMap


def block_regions(model: Model) -> RegionMap:
    """The map with one region a block, named after it."""
    return RegionMap.from_rules([(block, block.name) for block in model.blocks])


def block_numbers(model: Model, params: Any) -> Any:
    """The tree of the parameters with the number of its block for each of them.

    Args:
        model: the model, whose blocks cover all parameters.
        params: the parameters, or their shapes.

    Raises:
        ValueError: if a parameter is in no block, or a block has no parameter.

    Examples:
        >>> import jax.numpy as jnp
        >>> from pptp_jax.models import mlp
        >>> model = mlp([4], num_classes=2)
        >>> variables = model.init(jax.random.key(0), jnp.ones((1, 3)))
        >>> block_numbers(model, variables.params)["head"]
        {'bias': 1, 'kernel': 1}
    """
    order = [block.name for block in model.blocks]
    return jax.tree.map(order.index, block_regions(model).labels(params))
