"""Clips and noises one region's gradient in an optax chain, then freezes it, in a loop of optax."""

import jax
import jax.numpy as jnp
import optax

from pptp_jax.regions import RegionMap
from pptp_jax.transforms import add_region_noise, clip_region_norm, pptp

params = {"stem": {"w": jnp.ones((4, 8))}, "head": {"w": jnp.ones((8, 2))}}  # any pytree
regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
phases = [
    optax.chain(
        clip_region_norm(regions, "protect", 1.0),
        add_region_noise(regions, "protect", 0.1),
        optax.sgd(0.1),
    ),
    pptp(optax.sgd(0.1), regions, "protect", freeze=True),
]


def loss(params, x, y):
    return ((jnp.tanh(x @ params["stem"]["w"]) @ params["head"]["w"] - y) ** 2).mean()


if __name__ == "__main__":
    print(regions.describe(params))
    x = jax.random.normal(jax.random.key(0), (64, 4))
    y = x[:, :2]
    for phase, tx in enumerate(phases):
        before, state = params, tx.init(params)
        for key in jax.random.split(jax.random.key(phase), 20):
            grads = jax.grad(loss)(params, x, y)
            updates, state = tx.update(grads, state, params, key=key)  # noise draws from the key
            params = optax.apply_updates(params, updates)
        moved = jax.tree.map(lambda new, old: float(abs(new - old).max()), params, before)
        print(f"phase {phase + 1}: loss {loss(params, x, y):.4f}, moved by {moved}")
