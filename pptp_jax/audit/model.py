"""Auditing a JAX model of one's own."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped

from pptp_jax.audit.signals import audit_signals
from pptp_jax.validation import Refused, at_least

Apply = Callable[[PyTree, Shaped[Array, "batch ..."]], Float[Array, "batch classes"]]
Examples = tuple[Shaped[np.ndarray, "examples ..."], Int[np.ndarray, " examples"]]
Shadows = (
    Sequence[tuple[PyTree, Bool[np.ndarray, " examples"]]]
    | tuple[PyTree, Bool[np.ndarray, "shadows examples"]]
)


def audit_model(
    apply: Apply,
    params: PyTree,
    members: Examples,
    nonmembers: Examples,
    *,
    shadows: Shadows = (),
    batch_size: int = 500,
    **options: Any,
) -> dict[str, Any]:
    """Attacks a JAX model by every attack that its shadows allow.

    Args:
        apply: `apply(params, x) -> logits`, in eval mode: no dropout, running statistics for batch
            norm.
        params: the model under attack, any pytree.
        members: (x, y) of examples that it was trained on.
        nonmembers: (x, y) of examples from the same distribution that it was not trained on.
        shadows: other models that were trained as it was, on other parts of these examples: a
            sequence of (params, membership), or (stacked params, membership matrix). Membership is
            over the members and then the non-members, in their order.
        batch_size: how many answers are computed at once; bounds memory alone.
        **options: as `audit_signals` takes them: `attacks`, `name`, `out`, `resamples`, `seed`.

    Returns:
        As `audit_signals`; `pptp_jax.report.render_attacks` makes a table of it.

    Raises:
        ValueError: if examples, labels, membership and logits do not fit together.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(40, 8)).astype(np.float32), rng.integers(0, 3, 40)
        >>> weights = np.linalg.lstsq(x[:20], np.eye(3)[y[:20]])[0]
        >>> results = audit_model(
        ...     lambda w, x: x @ w, weights, (x[:20], y[:20]), (x[20:], y[20:]), resamples=50
        ... )
        >>> results["rows"][0]["attacks"]["loss"]["auc"]["value"] > 0.6
        True
    """
    at_least(1, batch_size=batch_size)
    parts = {"members": members, "nonmembers": nonmembers}
    for what, (x, y) in parts.items():
        if len(x) != len(y) or not len(x):
            raise Refused(f"{what} must be (x, y) of equal lengths, got {len(x)} and {len(y)}")
    inputs = np.concatenate([np.asarray(x) for x, _ in parts.values()])
    labels = np.concatenate([np.asarray(y) for _, y in parts.values()])
    own = np.arange(len(inputs)) < len(members[0])
    models, rows = _listed(shadows, len(inputs))
    answer = jax.jit(apply)
    logits = np.stack([_answers(answer, model, inputs, batch_size) for model in (params, *models)])
    return audit_signals(
        {"logits": logits},
        np.stack([own, *rows]),
        labels,
        inputs=inputs,
        targets=[0],
        **options,
    )


def _listed(shadows: Shadows, examples: int) -> tuple[list[PyTree], list[np.ndarray]]:
    """Each shadow's parameters and its row of the membership."""
    pairs: Sequence[Any] = shadows
    if isinstance(shadows, tuple) and len(shadows) == 2 and getattr(shadows[1], "ndim", 0) == 2:
        stacked, matrix = shadows
        sizes = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(stacked)}
        if sizes != {(len(matrix),)}:
            raise Refused(
                f"stacked shadows need one leading axis of {len(matrix)} models, the rows of their "
                f"membership; their leaves have {sorted(sizes)}"
            )
        pairs = [
            (jax.tree.map(lambda leaf, i=i: leaf[i], stacked), row) for i, row in enumerate(matrix)
        ]
    for i, pair in enumerate(pairs):
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise Refused(f"shadow {i} must be (params, membership), got {type(pair).__name__}")
        row = np.asarray(pair[1])
        if row.shape != (examples,) or row.dtype != bool:
            raise Refused(
                f"the membership of shadow {i} must be boolean of shape ({examples},), over the "
                f"members and then the non-members; got {row.dtype} of shape {row.shape}"
            )
    return [model for model, _ in pairs], [np.asarray(row) for _, row in pairs]


def _answers(
    answer: Apply, params: PyTree, x: Shaped[np.ndarray, "examples ..."], batch_size: int
) -> Float[np.ndarray, "examples classes"]:
    """The logits of one model, batch by batch; all batches of one shape, so that one compiles."""
    size = min(batch_size, len(x))
    starts = [*range(0, len(x) - size, size), len(x) - size]
    logits = np.concatenate(
        [np.asarray(answer(params, jnp.asarray(x[s : s + size]))) for s in starts]
    )
    if logits.ndim != 2:
        raise Refused(
            f"apply must return logits of shape (batch, classes), got {(size, *logits.shape[1:])}"
        )
    ends = np.concatenate([np.arange(start, start + size) for start in starts])
    _, first = np.unique(ends, return_index=True)
    return logits[first]
