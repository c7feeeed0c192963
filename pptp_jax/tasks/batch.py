"""The examples of one step, whatever the task."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree, Shaped


class Batch(NamedTuple):
    """The examples that a network sees at once.

    Attributes:
        inputs: what the network gets, examples first.
        targets: what it shall say: classes, numbers, the next tokens; None where a task has none.
        teacher: what it shall say instead, in the form of `Task.teaching`; None without a teacher.
        present: False for an example that only keeps its place, and gives no gradient; None where
            all are present, and then nothing of this is in the program.
        rows: where the examples stand in the data; None unless the model trains by it.

    Examples:
        >>> Batch(jnp.zeros((4, 2)), jnp.arange(4)).size
        4
    """

    inputs: PyTree[Shaped[Array, "batch ..."]]
    targets: PyTree[Shaped[Array, "batch ..."]] | None = None
    teacher: PyTree[Shaped[Array, "batch ..."]] | None = None
    present: Bool[Array, " batch"] | None = None
    rows: Int[Array, " batch"] | None = None

    @property
    def size(self) -> int:
        """The number of examples."""
        return len(jax.tree.leaves(self.inputs)[0])


def without_absent(outputs: Any, present: Bool[Array, " batch"] | None) -> Any:
    """Outputs through which no gradient reaches the network where an example is absent.

    Args:
        outputs: the network's, examples first.
        present: `Batch.present`.

    Examples:
        >>> def total(x):
        ...     return without_absent(x, jnp.array([True, False])).sum()
        >>> print(jax.grad(total)(jnp.ones(2)))
        [1. 0.]
    """
    if present is None:
        return outputs

    def stopped(leaf: Shaped[Array, "batch ..."]) -> Shaped[Array, "batch ..."]:
        there = present.reshape(-1, *(1,) * (leaf.ndim - 1))
        return jnp.where(there, leaf, jax.lax.stop_gradient(leaf))

    return jax.tree.map(stopped, outputs)
