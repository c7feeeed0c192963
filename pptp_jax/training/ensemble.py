"""The members of each sub-model of an ensemble, and its answers for the others."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables
from pptp_jax.training.forward import eval_outputs
from pptp_jax.training.side_by_side import Ensemble


def members_of(ensemble: Ensemble, members: Int[Array, " members"]) -> Int[Array, "models part"]:
    """The members that each sub-model trains on, as many for each.

    The L sub-models p, p + 1, ... (modulo K) leave out the member at place p; the draw of the
    members decides at random which members stand K places apart. The last ones, fewer than K, are
    in no part; every sub-model could answer for them, and the same L do.

    Examples:
        >>> import jax.numpy as jnp
        >>> print(members_of(Ensemble(models=3, left_out=1), jnp.arange(6)))
        [[1 2 4 5]
         [2 0 5 3]
         [0 1 3 4]]
    """
    k, seen = ensemble.models, ensemble.models - ensemble.left_out
    # Sub-model m leaves out the residues m, m − 1, ..., m − L + 1 and sees m + 1, ..., m + K − L.
    residues = (np.arange(k)[:, None] + np.arange(1, seen + 1)[None]) % k
    blocks = k * np.arange(len(members) // k)
    places = blocks[None, :, None] + residues[:, None]
    return members[places.reshape(k, -1)]


def ensemble_answers(
    ensemble: Ensemble,
    model: Model,
    variables: Variables,
    data: Arrays,
    members: Int[Array, " members"],
) -> Any:
    """The mean answer for each member of the sub-models that did not train on it.

    Args:
        ensemble: how many there are, and how many left a member out.
        model: the network.
        variables: the sub-models, along a leading axis.
        data: the data set.
        members: the members, as `members_of` got them.
    """
    all_answers = jax.lax.map(lambda one: answers(model, one, data, members), variables)
    places = np.arange(len(members))
    left_out = (places[None] + np.arange(ensemble.left_out)[:, None]) % ensemble.models
    return jax.tree.map(lambda leaf: leaf[left_out, places[None]].mean(axis=0), all_answers)


def answers(model: Model, variables: Variables, data: Arrays, rows: Int[Array, " rows"]) -> Any:
    """A model's targets for a student on some examples, in eval mode."""

    def one(row: Int[Array, ""]) -> Any:
        outputs = eval_outputs(model, variables, data, row[None])
        return jax.tree.map(lambda leaf: leaf[0], model.task.teaching(outputs))

    return jax.lax.map(one, rows, batch_size=500)
