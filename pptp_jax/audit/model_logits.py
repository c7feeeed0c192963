"""The logits of a user's own JAX model, batch by batch."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree, Shaped

from pptp_jax.audit.foreign import plain
from pptp_jax.validation import Refused

Apply = Callable[[PyTree, Shaped[Array, "batch ..."]], Float[Array, "batch classes"]]

# By how much of the largest logit the answers to one example may differ from batch to batch: half
# precision rounds, and batch norm in training mode does far more.
_ROUNDING = 0.02


def is_array(leaf: object) -> bool:
    """Whether a leaf of a model is one of its arrays, rather than a function or a setting."""
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


class _Rest(NamedTuple):
    """A model without its arrays, with None in their places; programs depend on it."""

    structure: Any
    leaves: tuple[Any, ...]


class ModelLogits:
    """Computes the logits of a model on all examples.

    Args:
        apply: `apply(params, x) -> logits`.
        x: the examples.
        batch_size: how many are computed at once.

    Examples:
        >>> ask = ModelLogits(lambda w, x: x @ w, np.ones((3, 2), np.float32), batch_size=2)
        >>> ask(np.float32([[1, 2], [3, 4]])).tolist()
        [[4.0, 6.0], [4.0, 6.0], [4.0, 6.0]]
    """

    def __init__(self, apply: Apply, x: Shaped[np.ndarray, "examples ..."], batch_size: int):
        """Compiles nothing yet."""
        self._x, self._size = x, min(batch_size, len(x))

        @partial(jax.jit, static_argnums=0)
        def answer(
            rest: _Rest, arrays: list[Any], x: Shaped[Array, "batch ..."]
        ) -> Float[Array, "batch classes"]:
            own = iter(arrays)
            leaves = [next(own) if leaf is None else leaf for leaf in rest.leaves]
            return _logits(apply(jax.tree.unflatten(rest.structure, leaves), x), len(x))

        self._answer = answer

    def __call__(self, params: PyTree) -> Float[np.ndarray, "examples classes"]:
        """The logits of one model; all batches are of one shape, so that one program does."""
        size = self._size
        starts = [*range(0, len(self._x) - size, size), len(self._x) - size]
        rows = [np.arange(start, start + size) for start in starts]
        logits = np.concatenate([self._batch(params, batch) for batch in rows])
        _, first = np.unique(np.concatenate(rows), return_index=True)
        return logits[first]

    def check_alone(self, params: PyTree) -> None:
        """Refuses answers that depend on the rest of the batch, or on the place in it.

        The first half of a batch is queried again as the second half, beside copies of its first
        example.

        Raises:
            ValueError: if its logits change.
        """
        size = max(2, self._size)
        half = size // 2
        batch = np.arange(size) % len(self._x)
        first = self._batch(params, batch)[:half]
        mates = np.zeros(size - half, int)
        again = self._batch(params, np.concatenate([mates, batch[:half]]))[-half:]
        off = np.abs(again - first).max() > _ROUNDING * np.abs(first).max()
        if off and np.isfinite(first).all():
            raise Refused(
                "apply answers an example differently beside other examples: its logits changed by "
                f"up to {np.abs(again - first).max():.3g}. Call the model in eval mode: batch norm "
                "by its running statistics, and no dropout"
            )

    def _batch(
        self, params: PyTree, rows: Int[np.ndarray, " batch"]
    ) -> Float[np.ndarray, "batch classes"]:
        leaves, structure = jax.tree.flatten(params)
        arrays = [leaf for leaf in leaves if is_array(leaf)]
        rest = _Rest(structure, tuple(None if is_array(leaf) else leaf for leaf in leaves))
        return plain("logits", self._answer(rest, arrays, jnp.asarray(self._x[rows])))


def _logits(found: Any, size: int) -> Float[Array, "batch classes"]:
    """The logits that `apply` returns; refuses more than these, or anything else."""
    wanted = f"apply must return logits of shape (batch, classes) = ({size}, ...)"
    if isinstance(found, Mapping):
        keys = ", ".join(map(repr, found))
        key = "logits" if "logits" in found else "..."
        raise Refused(
            f"{wanted}, got a mapping with {keys}: give lambda params, x: apply(params, x)[{key!r}]"
        )
    if isinstance(found, tuple | list):
        raise Refused(
            f"{wanted}, got a {type(found).__name__} of {len(found)}: where these are the logits "
            "and what the model has updated, as Flax returns with `mutable`, call it in eval mode "
            "without `mutable`; else give lambda params, x: apply(params, x)[0]"
        )
    if not is_array(found):
        raise Refused(f"{wanted}, got a {type(found).__name__}: give its logits alone")
    if found.ndim != 2 or len(found) != size:
        raise Refused(f"{wanted}, got {found.shape}")
    return found
