"""What a fleet's results depend on, as one hash."""

import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from pptp_jax import __version__
from pptp_jax.data import Dataset, Division, Membership
from pptp_jax.signals import Signals, collect
from pptp_jax.study.config import Study, describe
from pptp_jax.study.probing import PROBED, signals_read
from pptp_jax.study.standardize import configs
from pptp_jax.training import Arrays, Recipe, make_train


def fingerprint(
    study: Study, recipe: Recipe, data: Dataset, division: Division, membership: Membership
) -> str:
    """SHA-256 of data, who may learn from what, queries, probes, seed, versions, and the program.

    The program is the lowered computation from a key to signals, with every number of the recipe in
    it, so that a change in anybody's code counts: a user's model, objective and optimiser included.
    What cannot be traced fails here, before anything is trained.
    """
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
    parts = [
        data.fingerprint,
        hashlib.sha256(np.packbits(membership.matrix).data).hexdigest(),
        division.reference.tolist(),
        study.seed,
        [query.name for query in study.queries],
        [__version__, jax.__version__],
        lowered.as_text(),
    ]
    # In the program as well, as long as JAX writes constants out.
    for config in configs(study.model):
        parts += [config[name] for name in ("start", "mean", "deviation") if name in config]
    if signals_read(study) & set(PROBED):
        parts.append(describe(study.probes))
    if study.robustness is not None:
        parts.append(describe(study.robustness))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
