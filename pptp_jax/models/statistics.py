"""Recompute batch-norm statistics after parameters were rewound or grafted."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from pptp_jax.models.model import Model, Variables
from pptp_jax.validation import Refused


def recompute_statistics(
    model: Model,
    variables: Variables,
    batches: Any,
    inputs: Callable[[Any], Any] | None = None,
) -> Variables:
    """Running statistics measured again on given inputs, as rewound or grafted parameters need.

    With s(x) the statistics of one batch, under the parameters as they are, the new ones are

        (s(x₁) + ... + s(x_n)) / n,

    an exact mean over the batches that remembers nothing of the old ones, which must however be
    finite. Within a batch every layer sees inputs normalised by the batch, as in training; nothing
    is dropped, as in evaluation. A variance is that within the batches, again as in training.

    Pure: to be jitted, and mapped over models.

    Args:
        model: the model; without `Model.statistics` its state is left alone.
        variables: its parameters and state.
        batches: inputs of shape (batches, batch, *example), or whatever `inputs` takes with a
            leading axis of batches: the numbers of rows, say, of which only one batch at a time
            is held as inputs.
        inputs: makes one batch of inputs from an entry of `batches`; None takes it as it is.

    Returns:
        The same parameters with the new state. Leaves that are no floating-point numbers stay.

    Raises:
        ValueError: if there are no batches.

    Examples:
        >>> import flax.linen as nn
        >>> from pptp_jax.models import from_linen
        >>> class Normed(nn.Module):
        ...     @nn.compact
        ...     def __call__(self, x, *, train):
        ...         return nn.BatchNorm(use_running_average=not train, name="norm")(x)
        >>> model, x = from_linen(Normed(), ["norm"]), jnp.array([[[1.0], [3.0]], [[5.0], [9.0]]])
        >>> variables = recompute_statistics(model, model.init(jax.random.key(0), x[0]), x)
        >>> {name: value.tolist() for name, value in variables.state["batch_stats"]["norm"].items()}
        {'mean': [4.5], 'var': [2.5]}
    """
    counts = {len(leaf) for leaf in jax.tree.leaves(batches)}
    if counts in (set(), {0}):
        raise Refused("statistics need at least one batch, got none")
    params, state = variables
    statistics = model.statistics
    if statistics is None or not jax.tree.leaves(state):
        return variables

    def floating(leaf: Any) -> bool:
        return jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating)

    def measure(carried: tuple[Any, Any], batch: Any) -> tuple[tuple[Any, Any], None]:
        mean, count = carried
        new = statistics(params, state, batch if inputs is None else inputs(batch))

        # A running mean, unlike a sum that is divided in the end, is exact for what is constant.
        def average(mean: Any, new: Any) -> Any:
            return mean + (new - mean) / (count + 1).astype(mean.dtype) if floating(mean) else mean

        return (jax.tree.map(average, mean, new), count + 1), None

    empty = jax.tree.map(lambda leaf: jnp.zeros_like(leaf) if floating(leaf) else leaf, state)
    (mean, _), _ = jax.lax.scan(measure, (empty, jnp.int32(0)), batches)
    return Variables(params, mean)
