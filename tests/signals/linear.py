"""Linear models, of which everything is known."""

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Model, Variables

MODEL = Model(
    init=lambda key, x: Variables({"w": jax.random.normal(key, (x.shape[1], 2))}, {}),
    apply=lambda p, state, x, *, train, key: (x @ p["w"], state),
)


def linear(examples: int = 40, features: int = 6, models: int = 2):
    """Models through the origin, labels mostly those of the first."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(examples, features)).astype(np.float32)
    w = rng.normal(size=(models, features, 2)).astype(np.float32)
    y = np.einsum("nf,fc->nc", x, w[0]).argmax(axis=1)
    y[::10] = 1 - y[::10]
    fleet = Variables({"w": jnp.asarray(w)}, {})
    return fleet, Arrays.of(Dataset("linear", x, y, np.arange(examples), 2)), w, x, y
