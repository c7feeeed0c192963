"""What a fleet's results depend on, as one hash."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from pptp_jax import __version__
from pptp_jax.data import Arrays, Dataset, Division, Membership
from pptp_jax.signals import Signals, collect
from pptp_jax.study.config import Study, describe
from pptp_jax.study.probing import PROBED, signals_read
from pptp_jax.training import Recipe, make_train


def fingerprint(
    study: Study, recipe: Recipe, data: Dataset, division: Division, membership: Membership
) -> str:
    """SHA-256 of data, who may learn from what, queries, probes, seed, versions, and the program.

    The program is the lowered computation from a key to signals, with every number of the recipe in
    it, so that a change in anybody's code counts: a user's model, objective and optimiser included.
    What cannot be traced fails here, before anything is trained.
    """
    parts = [
        data.fingerprint,
        hashlib.sha256(np.packbits(membership.matrix).data).hexdigest(),
        division.reference.tolist(),
        study.seed,
        [query.name for query in study.queries],
        [__version__, jax.__version__],
        lowered_program(study, recipe, data, division, membership),
    ]
    # In the program as well, as long as JAX writes constants out.
    config: Any = study.model.config
    while isinstance(config, Mapping):  # of a wrapped model, too
        if "start" in config:
            parts.append(config["start"])
        config = config.get("model")
    if signals_read(study) & set(PROBED):
        parts.append(describe(study.probes))
    if study.robustness is not None:
        parts.append(describe(study.robustness))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def lowered_program(
    study: Study, recipe: Recipe, data: Dataset, division: Division, membership: Membership
) -> str:
    """The text of the computation from a key to signals, with every number of the recipe in it."""
    train = make_train(study.model, recipe, study.optimizer, batch_size=study.batch_size)

    def program(key: Key[Array, ""], data: Arrays, members: Int[Array, " members"]) -> Signals:
        variables, _ = train(key, data, members)
        return collect(
            study.model, variables, data, queries=study.queries, release=recipe.release, key=key
        )

    key = jax.eval_shape(lambda: jax.random.key(0))
    members = jax.ShapeDtypeStruct((int(membership.matrix[0].sum()),), jnp.int32)
    lowered = jax.jit(program).lower(
        key,
        jax.eval_shape(lambda: Arrays.of(data, division.reference, study.augmentation)),
        members,
    )
    return lowered.as_text()
