"""A region map fits optax's own transforms, which then do what ours do."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from transform_table import REGIONS, tree

from pptp_jax.transforms import apply_to_region, clip_region_norm, freeze_region, scale_region

MASK = REGIONS.mask_fn("protect")
PAIRS: dict[str, tuple[optax.GradientTransformation, optax.GradientTransformation]] = {
    "masked": (
        apply_to_region(optax.trace(decay=0.9), REGIONS, "protect"),
        optax.masked(optax.trace(decay=0.9), MASK),
    ),
    "freeze": (freeze_region(REGIONS, "protect"), optax.freeze(MASK)),
    "clip": (
        clip_region_norm(REGIONS, "protect", 0.5),
        optax.masked(optax.clip_by_global_norm(0.5), MASK),
    ),
    "scale": (scale_region(REGIONS, "protect", 0.3), optax.masked(optax.scale(0.3), MASK)),
    "partition": (
        optax.chain(scale_region(REGIONS, "protect", 0.3), scale_region(REGIONS, "general", 2.0)),
        optax.partition({"protect": optax.scale(0.3), "general": optax.scale(2.0)}, REGIONS.labels),
    ),
}


def steps(tx: optax.GradientTransformation, number: int = 3) -> list[Any]:
    grads = tree()
    state, seen = tx.init(grads), []
    for i in range(number):
        updates, state = tx.update(jax.tree.map(lambda g, i=i: g * (i + 1), grads), state, grads)
        seen.append(updates)
    return seen


@pytest.mark.parametrize("name", PAIRS)
def test_ours_do_what_optax_does_with_our_masks(name: str) -> None:
    ours, theirs = map(steps, PAIRS[name])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), ours, theirs)
    assert any(jnp.any(leaf != 0) for leaf in jax.tree.leaves(ours))


def test_a_mask_of_several_regions_or_of_none() -> None:
    every = jax.tree.leaves(REGIONS.mask_fn("protect", "general")(tree()))
    assert all(every) and not any(jax.tree.leaves(REGIONS.mask_fn()(tree())))


def test_a_mask_of_an_unknown_region_is_refused_as_it_is_made() -> None:
    with pytest.raises(ValueError, match=r"region 'protct' is unknown; did you mean 'protect'\?"):
        REGIONS.mask_fn("protct")
