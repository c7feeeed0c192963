"""One hash of everything that a fleet's signals depend on."""

import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, Shaped

from pptp_jax import __version__
from pptp_jax.data import Arrays
from pptp_jax.fleets.layout import answers
from pptp_jax.fleets.spec import FleetSpec
from pptp_jax.models import Model
from pptp_jax.models.model import configs
from pptp_jax.models.weights import checksum
from pptp_jax.storage.record import describe
from pptp_jax.training import make_train


def fingerprint(spec: FleetSpec) -> str:
    """SHA-256 of data, members, queries, seed, versions, and the program.

    The program is the lowered computation from a key to signals, with every number of the recipe in
    it, so that a change in anybody's code counts: a user's model, objective and optimiser included.
    What cannot be traced fails here, before anything is trained.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> def name(recipe):
        ...     return fingerprint(FleetSpec(model=MODEL, recipe=recipe, data=DATA, members=ROWS))
        >>> MODEL, DATA, ROWS = mlp([8], 10), Digits().load(), np.arange(64)[None]
        >>> name(undefended(1)) == name(undefended(1)), name(undefended(1)) == name(undefended(2))
        (True, False)
    """
    parts = [
        spec.data.fingerprint,
        hashlib.sha256(np.ascontiguousarray(spec.members, np.int64).data).hexdigest(),
        spec.reference.tolist(),
        None if spec.queried is None else spec.queried.tolist(),
        spec.seed,
        [query.name for query in spec.queries],
        # Another signal without settings joins the others in the same store.
        [[signal.name, describe(signal.settings)] for signal in spec.kept if signal.settings],
        [__version__, jax.__version__],
        lowered_program(spec),
    ]
    if jax.tree.leaves(spec.model.shared):
        parts.append(checksum(spec.model.shared))
    # In the program as well, as long as JAX writes constants out.
    for config in configs(spec.model):
        parts += [config[name] for name in ("start", "mean", "deviation") if name in config]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def home_name(name: str, key: str) -> str:
    """The name of a fleet's directory: one for people, and the first digits of its fingerprint."""
    return f"{name}-{key[:12]}"


def lowered_program(spec: FleetSpec) -> str:
    """The text of the computation from a key to signals, with every number of the recipe in it."""

    def program(
        model: Model,
        key: Key[Array, ""],
        data: Arrays,
        queried: Arrays,
        members: Int[Array, " members"],
    ) -> dict[str, Shaped[Array, "..."]]:
        train = make_train(
            model, spec.recipe, spec.optimizer, batch_size=spec.batch_size, places=spec.places
        )
        variables, _ = train(key, data, members)
        return answers(spec, model, variables, queried, key)

    return (
        jax.jit(program)
        .lower(
            spec.model,
            jax.eval_shape(lambda: jax.random.key(0)),
            spec.arrays,
            spec.queried_arrays,
            jax.ShapeDtypeStruct(spec.members.shape[1:], jnp.int32),
        )
        .as_text()
    )
