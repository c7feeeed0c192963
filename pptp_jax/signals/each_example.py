"""Map a function of one model and one example over a fleet."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jaxtyping import Array, Int

from pptp_jax.models import Variables


def over_examples(
    function: Callable[[Variables, Int[Array, ""]], Any],
    fleet: Variables,
    rows: Int[Array, " rows"],
    *,
    at_once: int,
) -> Any:
    """Maps a function of a model's variables and a row over all models and rows.

    Args:
        function: what is computed of one example by one model.
        fleet: the variables of some models, stacked.
        rows: the examples.
        at_once: the examples that are computed side by side; models take turns.

    Examples:
        >>> import jax.numpy as jnp
        >>> fleet, rows = Variables({"w": jnp.array([1, 2])}, {}), jnp.arange(3)
        >>> print(over_examples(lambda own, row: own.params["w"] * row, fleet, rows, at_once=2))
        [[0 1 2]
         [0 2 4]]
    """

    def of_model(own: Variables) -> Any:
        return jax.lax.map(partial(function, own), rows, batch_size=at_once)

    return jax.lax.map(of_model, fleet)
