"""Examples that a network is sure of differ, though the squares of their gradients vanish.

With logits (w · x, 0) the loss of class 0 is log(1 + exp(-w · x)); its gradients are w and x times
the probability of class 1.
"""

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Model, Variables
from pptp_jax.regions import Block
from pptp_jax.signals import gradient_norms, input_gradient_norm

W, X = np.array([3.0, 4.0], np.float32), np.array([[4.0, 12.0], [6.0, 12.0], [8.0, 11.0]])
MODEL = Model(
    init=lambda key, x: Variables({"w": jnp.asarray(W)}, {}),
    apply=lambda p, s, x, *, train, key: (jnp.stack([x @ p["w"], 0 * x @ p["w"]], 1), s),
    blocks=(Block("stem", "w"),),
)
DATA = Arrays.of(Dataset("sure", X, np.zeros(3, int), np.arange(3).astype(str), 2))
FLEET = jax.tree.map(lambda leaf: leaf[None], MODEL.init(None, None))
OTHER_CLASS = 1 / (1 + np.exp(X @ W))  # 1e-26 and less


def test_norms_of_an_input_s_gradient() -> None:
    found = input_gradient_norm(MODEL, FLEET, DATA, jnp.arange(3))[0]
    np.testing.assert_allclose(found, OTHER_CLASS * 5, rtol=1e-5)


def test_norms_of_a_block_s_gradient() -> None:
    found = gradient_norms(MODEL, FLEET, DATA, jnp.arange(3))[0, 0]
    np.testing.assert_allclose(found, OTHER_CLASS * np.linalg.norm(X, axis=1), rtol=1e-5)
