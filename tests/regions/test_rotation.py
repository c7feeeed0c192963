"""The angle of an update, and what weight decay makes of it where size does not matter."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pptp_jax.regions import RegionMap, angular_update
from pptp_jax.transforms import chain, decay_region

REGIONS = RegionMap.from_rules([("stem/.*", "protect"), ("head/.*", "general")])


def tree(seed: int) -> dict[str, dict[str, np.ndarray]]:
    draw = np.random.default_rng(seed).normal
    shapes = {
        "stem": {"kernel": (3, 3, 2, 4), "bias": (4,)},
        "head": {"kernel": (5, 2), "more": (7, 3), "scale": ()},
    }
    return {
        block: {name: np.float32(draw(size=shape)) for name, shape in leaves.items()}
        for block, leaves in shapes.items()
    }


def naive(before: dict, after: dict, block: str) -> float:
    angles = []
    for name, old in before[block].items():
        if np.ndim(old) < 2:
            continue
        for output in range(old.shape[-1]):
            u, v = (np.float64(k[..., output]).ravel() for k in (old, after[block][name]))
            angles.append(np.arccos(u @ v / np.sqrt((u @ u) * (v @ v))))
    return float(np.mean(angles))


@pytest.mark.parametrize("step", [1e-3, 0.1, 3.0])
def test_the_angle_is_that_of_a_naive_loop(step: float) -> None:
    before, other = tree(0), tree(1)
    after = jax.tree.map(lambda w, u: np.float32(w + step * u), before, other)
    found = angular_update(REGIONS, before, after)
    assert list(found) == ["protect", "general"]
    np.testing.assert_allclose(found["protect"], naive(before, after, "stem"), rtol=1e-3)
    np.testing.assert_allclose(found["general"], naive(before, after, "head"), rtol=1e-3)
    many = jax.vmap(lambda a, b: angular_update(REGIONS, a, b))(
        *(jax.tree.map(lambda leaf: np.stack([leaf, leaf]), tree) for tree in (before, after))
    )
    np.testing.assert_allclose(many["protect"], np.full(2, found["protect"]), rtol=1e-6)


def test_size_does_not_matter_and_half_turns_are_seen() -> None:
    before = tree(0)
    scaled = jax.tree.map(lambda w: 5 * w, before)
    np.testing.assert_allclose(list(angular_update(REGIONS, before, scaled).values()), 0, atol=1e-3)
    turned = jax.tree.map(lambda w: -w, before)
    angles = list(angular_update(REGIONS, before, turned).values())
    np.testing.assert_allclose(angles, np.pi, rtol=1e-6)
    zeros = jax.tree.map(np.zeros_like, before)
    np.testing.assert_allclose(list(angular_update(REGIONS, zeros, zeros).values()), 0)
    np.testing.assert_allclose(list(angular_update(REGIONS, zeros, before).values()), np.pi / 2)


def test_what_has_no_direction_or_does_not_fit() -> None:
    only = RegionMap.from_rules([(".*/kernel", "kernels"), (".*", "rest")])
    params = {"stem": {"kernel": jnp.eye(2), "bias": jnp.ones(2)}}
    found = angular_update(only, params, params)
    assert found["kernels"] == 0 and np.isnan(found["rest"])
    with pytest.raises(ValueError, match="before and after must be parameters of one network"):
        angular_update(only, params, {"stem": {"kernel": jnp.eye(3), "bias": jnp.ones(2)}})


def test_decay_sets_the_effective_rate_of_weights_whose_size_does_not_matter() -> None:
    """Random gradients of a scale-invariant loss: at right angles to w, of length 1/‖w‖."""
    rate, momentum, decays = 0.1, 0.9, {"protect": 0.04, "general": 0.01}
    tx = chain(
        *(decay_region(REGIONS, label, decay) for label, decay in decays.items()),
        optax.sgd(rate, momentum),
    )
    begun = jax.random.normal(jax.random.key(0), (300, 20))
    # Ten times as large at first: it is forgotten.
    params = {"stem": {"kernel": begun}, "head": {"kernel": 10 * begun}}

    def slope(w: jax.Array, key: jax.Array) -> jax.Array:
        square = (w**2).sum(axis=0, keepdims=True)
        g = jax.random.normal(key, w.shape) / jnp.sqrt(300.0)
        return (g - w * (w * g).sum(axis=0, keepdims=True) / square) / jnp.sqrt(square)

    def step(carried, key):
        params, state = carried
        first, last = jax.random.split(key)
        grads = {
            "stem": {"kernel": slope(params["stem"]["kernel"], first)},
            "head": {"kernel": slope(params["head"]["kernel"], last)},
        }
        updates, state = tx.update(grads, state, params)
        moved = optax.apply_updates(params, updates)
        return (moved, state), angular_update(REGIONS, params, moved)

    keys = jax.random.split(jax.random.key(1), 6000)
    _, angles = jax.jit(lambda c: jax.lax.scan(step, c, keys))((params, tx.init(params)))
    for label, decay in decays.items():
        expected = np.sqrt(2 * rate * decay / (1 + momentum))
        np.testing.assert_allclose(angles[label][-500:].mean(), expected, rtol=0.05)
    # The larger one turned less at first.
    assert angles["general"][10] < 0.5 * angles["general"][-500:].mean()
