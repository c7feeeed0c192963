"""Training in bfloat16 with parameters in float32."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from pptp_jax.models.model import Mode, Model


def in_bfloat16(model: Model) -> Model:
    """The same model, which computes in bfloat16 while it trains.

    What passes through the network then takes half the memory, and devices that multiply bfloat16
    faster do; a CPU does not. Parameters, gradients, what the optimiser remembers, logits, losses
    and running statistics stay float32: parameters and inputs are rounded on their way in.

    Only training is rounded. Signals are taken from a network that evaluates in float32: logits of
    eight bits would have ties, and let an attack look weaker than it is.

    Args:
        model: the model, whose `apply` computes in the precision of the parameters and inputs that
            it is given. Its state is given in float32. Our norms take means and variances in
            float32; a norm of your own should, too.

    Returns:
        The model, with the same blocks and the same parameters, so that region maps stay as they
        are.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> model, x = in_bfloat16(mlp([4], num_classes=2)), jnp.ones((5, 3))
        >>> params, state = model.init(jax.random.key(0), x)
        >>> logits, _ = model.apply(params, state, x, train=True, key=None)
        >>> str(params["stem"]["kernel"].dtype), str(logits.dtype)
        ('float32', 'float32')
    """

    def apply(
        params: Any, state: Any, x: Any, *, train: Mode, key: Any, **shared: Any
    ) -> tuple[Any, Any]:
        if not train:
            return model.apply(params, state, x, train=train, key=key, **shared)
        rounded, x, base = _cast((params, x, shared), jnp.bfloat16)
        logits, after = model.apply(rounded, state, x, train=train, key=key, **base)
        kept = jax.tree.map(lambda new, old: jnp.asarray(new, jnp.asarray(old).dtype), after, state)
        return _cast(logits, jnp.float32), kept

    return replace(model, apply=apply, config={"name": "in_bfloat16", "model": dict(model.config)})


def _cast(tree: Any, dtype: Any) -> Any:
    def cast(leaf: Any) -> Any:
        return jnp.asarray(leaf, dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, tree)
