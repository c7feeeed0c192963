"""What a fleet's results depend on, as one hash."""

import hashlib
import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax import __version__
from pptp_jax.data import Dataset, Membership
from pptp_jax.signals import collect
from pptp_jax.study.config import Study, describe
from pptp_jax.training import Arrays, Recipe, Trainer


def fingerprint(study: Study, recipe: Recipe, data: Dataset, membership: Membership) -> str:
    """SHA-256 of the data, the membership matrix, the configuration and the programs of a fleet.

    The programs are the lowered computations of an epoch of each phase and of the signals, so that
    a change in anybody's code counts, a user's model, objective and optimiser included.
    """
    trainer = Trainer(study.model, recipe.regions(study.model), study.batch_size)
    arrays = jax.eval_shape(lambda: Arrays.of(data))
    key = jax.eval_shape(lambda: jax.random.key(0))
    number = jax.ShapeDtypeStruct((), jnp.int32)
    members = jax.ShapeDtypeStruct((int(membership.matrix[0].sum()),), jnp.int32)
    programs = []
    for phase in recipe.phases:
        state = jax.eval_shape(
            partial(trainer.start, study.optimizer), phase, key, arrays, None
        )
        epoch = jax.jit(partial(trainer.epoch, study.optimizer))
        program = epoch.lower(phase, state, arrays, members, key, number, number)
        start = jax.jit(partial(trainer.start, study.optimizer)).lower(phase, key, arrays, None)
        programs += [start.as_text(), program.as_text()]
    seen = jax.jit(partial(collect, study.model)).lower(state.variables, arrays)
    parts = {
        "data": data.fingerprint,
        "matrix": hashlib.sha256(np.packbits(membership.matrix).data).hexdigest(),
        "model": describe(study.model),
        "recipe": describe(recipe),
        "optimizer": describe(study.optimizer),
        "batch_size": study.batch_size,
        "seed": study.seed,
        "programs": [*programs, seen.as_text()],
        "versions": [__version__, jax.__version__],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
