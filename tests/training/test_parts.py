"""Parts of blocks have rules of their own while the rest of their blocks goes on."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from small import DATA, INDICES, MODEL, initial, of, watched

from pptp_jax.models import Model, Variables
from pptp_jax.regions import Block, paths
from pptp_jax.training import SGD, Recipe, decay, freeze
from pptp_jax.training.phase_transform import learning

pytestmark = pytest.mark.usefixtures("compile_in_haste")

# Each block of this network has a kernel and a bias.
PARTED: Model = replace(MODEL, parts=(Block("kernels", ".*/kernel"), Block("biases", ".*/bias")))


def moved(before: Variables, after: Variables) -> list[str]:
    """Which parameters have changed."""
    pairs = zip(*map(jax.tree.leaves, (before.params, after.params)), strict=True)
    names = zip(paths(before.params), [bool((a != b).any()) for a, b in pairs], strict=True)
    return [name for name, changed in names if changed]


@pytest.mark.parametrize(
    ("region", "learn"),
    [
        ("kernels", ["head/bias", "stage1/bias", "stem/bias"]),
        (("biases", "blocks[0:2]"), ["head/kernel"]),
        ("not blocks[:1]", ["stem/bias", "stem/kernel"]),
    ],
)
def test_what_is_frozen_stops_and_nothing_else(region: Any, learn: list[str]) -> None:
    seen = watched(freeze(region, after=1, more=1), PARTED)
    assert len(moved(seen[1], seen[1])) == 0 and moved(seen[1], seen[2]) == learn


def test_a_block_with_a_frozen_part_stays_in_training_mode() -> None:
    def modes(recipe: Recipe) -> Any:
        params = PARTED.shapes(DATA.inputs(slice(0, 1))).params
        return learning(PARTED, recipe.phases[-1], recipe.regions(PARTED).labels(params))

    assert modes(freeze("kernels", after=1, more=1)) == ("stem", "stage1", "head")
    assert modes(freeze(("kernels", "blocks[:1]"), after=1, more=1)) == ("stage1", "head")


def test_a_part_alone_decays() -> None:
    # In one step, of rate 0.1, weight decay does nothing but take a share of the first weights.
    one_step = {"batch_size": INDICES.shape[1], "optimizer": SGD()}
    plain, decayed = (
        watched(decay(1, strength, "kernels"), PARTED, **one_step)[1] for strength in (0.0, 0.5)
    )
    for path, first, without, with_ in zip(
        paths(initial(0).params),
        *(jax.tree.leaves(params) for params in (initial(0).params, of(plain, 0), of(decayed, 0))),
        strict=True,
    ):
        share = 0.05 if path.endswith("kernel") else 0.0
        np.testing.assert_allclose(with_ - without, -share * first, atol=1e-6)
