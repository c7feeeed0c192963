"""Variables for tests, without the time that compiling a network's `init` takes."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.models import Model, Variables
from pptp_jax.regions import paths


def filled(model: Model, x: jax.Array, seed: int = 0) -> Variables:
    """Parameters around zero, scales and variances around one, running means that no batch has."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)

    def fill(path: str, leaf: jax.ShapeDtypeStruct) -> jax.Array:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return jnp.full(leaf.shape, 7, leaf.dtype)
        rng = np.random.default_rng((seed, zlib.crc32(path.encode())))
        centre = 1.0 if path.endswith(("scale", "var")) else 0.0
        fan_in = max(1, int(np.prod(leaf.shape[:-1])))
        spread = 0.2 if len(leaf.shape) < 2 else fan_in**-0.5
        return jnp.asarray(centre + spread * rng.uniform(-1, 1, leaf.shape), leaf.dtype)

    leaves = map(fill, paths(shapes), jax.tree.leaves(shapes))
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves)
