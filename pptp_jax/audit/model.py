"""Audit a user's own JAX model."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int, PyTree, Shaped

from pptp_jax.audit.foreign import plain
from pptp_jax.audit.model_logits import Apply, ModelLogits, is_array
from pptp_jax.audit.signals import audit_signals
from pptp_jax.audit.user_signals import check_inputs
from pptp_jax.validation import Refused, at_least

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
    """Runs every attack on a JAX model that its shadows permit.

    Args:
        apply: `apply(params, x) -> logits`, in eval mode: no dropout, running statistics for batch
            norm.
        params: the model under attack, any pytree; what is no array in it, such as the functions of
            an Equinox module, stays as it is.
        members: (x, y) of examples that it was trained on.
        nonmembers: (x, y) of examples from the same distribution that it was not trained on.
        shadows: other models that were trained as it was, on other parts of these examples: a
            sequence of (params, membership), or (stacked params, membership matrix). Membership is
            over the members and then the non-members, in their order.
        batch_size: how many answers are computed at once; bounds memory alone.
        **options: as `audit_signals` takes them: `attacks`, `report`, `resamples`, `seed`.

    Returns:
        As `audit_signals`, the number of parameters in the look at a single model included;
        `pptp_jax.report.render_attacks` makes a table of it.

    Raises:
        ValueError: if examples, labels, membership and logits do not fit together, or answers
            depend on what else is in the batch, as in batch norm in training mode.

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
    inputs, labels = (
        np.concatenate([plain(f"{name} of the {what}", part[i]) for what, part in parts.items()])
        for i, name in enumerate("xy")
    )
    inputs = check_inputs(inputs)
    own = np.arange(len(inputs)) < len(members[0])
    models, rows = _listed(shadows, len(inputs))
    ask = ModelLogits(apply, inputs, batch_size)
    ask.check_alone(params)
    logits = np.stack([ask(model) for model in (params, *models)])
    return audit_signals(
        {"logits": logits},
        np.stack([own, *rows]),
        labels,
        parameters=_count(params),
        inputs=inputs,
        targets=[0],
        **options,
    )


def _count(params: PyTree) -> int | None:
    """How many numbers a model has: those that can have been learned, the floats."""
    leaves = [leaf for leaf in jax.tree.leaves(params) if is_array(leaf)]
    count = sum(int(leaf.size) for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact))
    return count or None


def _listed(shadows: Shadows, examples: int) -> tuple[list[PyTree], list[np.ndarray]]:
    """Each shadow's parameters and its row of the membership."""
    pairs: Sequence[Any] = shadows
    if isinstance(shadows, tuple) and len(shadows) == 2 and getattr(shadows[1], "ndim", 0) == 2:
        stacked, matrix = shadows
        sizes = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(stacked) if is_array(leaf)}
        if sizes != {(len(matrix),)}:
            raise Refused(
                f"stacked shadows need one leading axis of {len(matrix)} models, the rows of their "
                f"membership; their leaves have {sorted(sizes)}"
            )
        pairs = [(_model(stacked, i), row) for i, row in enumerate(matrix)]
    rows = []
    for i, pair in enumerate(pairs):
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise Refused(f"shadow {i} must be (params, membership), got {type(pair).__name__}")
        row = plain(f"the membership of shadow {i}", pair[1])
        if row.shape != (examples,) or row.dtype != bool:
            raise Refused(
                f"the membership of shadow {i} must be boolean of shape ({examples},), over the "
                f"members and then the non-members; got {row.dtype} of shape {row.shape}"
            )
        rows.append(row)
    return [model for model, _ in pairs], rows


def _model(stacked: PyTree, i: int) -> PyTree:
    return jax.tree.map(lambda leaf: leaf[i] if is_array(leaf) else leaf, stacked)
