"""A model of which it is known where it memorises and where it generalises.

Its logits are those of a linear classifier plus a row of a table that each example has to itself:
only the classifier can generalise, and what the table learns of a member says nothing of others.
"""

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.data import Dataset
from pptp_jax.models import Model, Variables
from pptp_jax.regions import Block

EXAMPLES, CLASSES, FEATURES = 60, 3, 6
# A row of the table is learned once an epoch, the classifier in every step.
STEEP = 10.0


def _init(key, x):
    linear = 0.1 * jax.random.normal(key, (FEATURES, CLASSES))
    return Variables({"linear": {"w": linear}, "table": jnp.zeros((EXAMPLES, CLASSES))}, {})


def _apply(params, state, x, *, train, key):
    rows = x[:, 0].astype(int)
    return x[:, 1:] @ params["linear"]["w"] + STEEP * params["table"][rows], state


MODEL = Model(_init, _apply, (Block("linear", "linear/.*"), Block("table", "table")))


def planted_data() -> Dataset:
    rng = np.random.default_rng(0)
    y = np.arange(EXAMPLES) % CLASSES
    features = rng.normal(size=(EXAMPLES, FEATURES)) + 2 * np.eye(FEATURES)[y]
    x = np.column_stack([np.arange(EXAMPLES), features])
    return Dataset("planted", x.astype(np.float32), y, np.arange(EXAMPLES), CLASSES)
