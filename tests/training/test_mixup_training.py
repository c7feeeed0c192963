"""Training by mixup, with a constant rate and an anneal, against a naive loop."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import BATCH, DATA, INDICES, MODEL, initial, of, own_key, watched

from pptp_jax.objectives import Mixup
from pptp_jax.training import SGD, annealed, whole_network

pytestmark = pytest.mark.usefixtures("compile_in_haste")

STEPS = INDICES.shape[1] // BATCH


@jax.jit
def slope(params: Any, rows: Any, order: Any, share: Any) -> Any:
    """The gradient of the two cross-entropies, weighted by the share."""
    x, y = DATA.inputs(rows), DATA.y[rows]

    def loss(params: Any) -> Any:
        mixed = share * x + (1 - share) * x[order]
        logits, _ = MODEL.apply(params, {}, mixed, train=True, key=None)
        log_p, place = jax.nn.log_softmax(logits), jnp.arange(BATCH)
        return -(share * log_p[place, y] + (1 - share) * log_p[place, y[order]]).mean()

    return jax.grad(loss)(params)


@jax.jit
def mixture(key: Any, step: int, alpha: float) -> Any:
    """The order and the share of one step."""
    _, drawing, _ = jax.random.split(jax.random.fold_in(key, step), 3)
    order_key, share_key = jax.random.split(jax.random.split(drawing, 3)[1])
    return jax.random.permutation(order_key, BATCH), jax.random.beta(share_key, alpha, alpha)


def naive(epochs: int, anneal: int, alpha: float, model: int) -> Any:
    """SGD of rate .1 and momentum .9, which begins again in the anneal; each step mixes again."""
    params, number = initial(model).params, 0
    for length, falling in ((epochs, False), (anneal, True)):
        velocity = jax.tree.map(np.zeros_like, params)
        for epoch in range(length):
            number += 1
            shuffle, drawn = jax.random.split(jax.random.fold_in(own_key(model), number))
            places = np.asarray(jax.random.permutation(shuffle, INDICES.shape[1]))
            for step in range(STEPS):
                rows = INDICES[model][places[step * BATCH : (step + 1) * BATCH]]
                left = 1 - (epoch * STEPS + step) / (length * STEPS) if falling else 1.0
                grads = slope(params, rows, *mixture(drawn, step, alpha))
                velocity = jax.tree.map(lambda v, g: np.float32(0.9 * v + g), velocity, grads)
                params = jax.tree.map(
                    lambda w, v, r=0.1 * left: np.float32(w - r * v), params, velocity
                )
    return params


def test_an_annealed_recipe_of_mixup_is_a_naive_loop() -> None:
    recipe = annealed(whole_network(Mixup(alpha=0.4), 3), anneal=1)
    assert recipe.slug == "annealed_whole_network_3+1_mixup_0.4"
    seen = watched(recipe, optimizer=SGD())
    chex.assert_trees_all_close(of(seen[4], 1), naive(3, 1, 0.4, model=1), rtol=1e-4, atol=1e-5)
