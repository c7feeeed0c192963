"""Find parameters that a model does not use."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from pptp_jax.models import Model, Variables
from pptp_jax.regions import paths
from pptp_jax.tasks import Batch


def unread(model: Model, x: Any) -> set[str]:
    """The parameters that no output of a model depends on in training; nothing is computed.

    What stands in a program within the program, such as a loop, counts as read.

    Args:
        model: the model.
        x: a batch of inputs, or its shape.

    Examples:
        >>> import jax.numpy as jnp
        >>> def init(key, x):
        ...     return Variables({"used": jnp.ones(3), "left": jnp.ones(3)}, {})
        >>> def apply(params, state, x, *, train, key):
        ...     return x @ params["used"], state
        >>> unread(Model(init, apply), jnp.ones((2, 3)))
        {'left'}
    """
    params, state = model.shapes(x)
    key = jax.eval_shape(lambda: jax.random.key(0))

    def said(params: Any, state: Any, x: Any, key: Any) -> Any:
        own = Variables(params, state)
        places = jnp.zeros(Batch(x).size, jnp.int32)
        batch = Batch(x, places if model.task.conditional else None, rows=places)
        return model.task.outputs(model, own, batch, train=True, key=key)[0]

    program = jax.make_jaxpr(said)(params, state, x, key).jaxpr
    needed = set(_variables(program.outvars))
    for equation in reversed(program.eqns):
        if needed.intersection(equation.outvars):
            needed.update(_variables(equation.invars))
    names = paths(params)
    return {n for n, own in zip(names, program.invars, strict=False) if own not in needed}


def _variables(atoms: Any) -> list[Any]:
    return [atom for atom in atoms if not isinstance(atom, Literal)]
