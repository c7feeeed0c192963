"""DP-SGD: one step is a loop over examples, and what would break its ε is refused."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import CE, DATA, INDICES, initial, of, own_key, slope, watched

from pptp_jax.models import cnn
from pptp_jax.objectives import CRL
from pptp_jax.regions import PROTECT, RegionMap
from pptp_jax.training import Phase, Private, Recipe, check_model, dp_sgd, undefended
from pptp_jax.transforms import RegionClip, private_region_noise

pytestmark = pytest.mark.usefixtures("compile_in_haste")

WHOLE = RegionClip(RegionMap.from_rules([(".*", PROTECT)]), PROTECT, 0.5)
NOISY = Private(noise_multiplier=1.0, max_norm=0.5, microbatch_size=10)
ONE_STEP = {"batch_size": 40}


def clipped_sum(i: int, frozen: tuple[str, ...] = ()) -> Any:
    """The members' gradients one by one, each of a norm of at most 0.5 over all that is trained."""
    params = initial(i).params
    total = jax.tree.map(np.zeros_like, params)
    for row in INDICES[i]:
        grads = jax.tree.map(np.asarray, slope(CE, params, np.array([row]), None, 0))
        grads = {
            b: jax.tree.map(lambda g, b=b: g * (b not in frozen), part) for b, part in grads.items()
        }
        norm = np.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(grads)))
        total = jax.tree.map(lambda t, g, n=norm: t + g * min(1, 0.5 / n), total, grads)
    return total


def noise(i: int) -> Any:
    """What the aggregation makes of a sum of zeros in the first step of the first epoch."""
    _, later = jax.random.split(jax.random.fold_in(own_key(i), 1))
    own, _, _ = jax.random.split(jax.random.fold_in(later, 0), 3)
    zeros = jax.tree.map(jnp.zeros_like, initial(i).params)
    tx = private_region_noise(WHOLE, 1.0, batch_size=40)
    return tx.update(zeros, tx.init(zeros), key=own)[0]


def test_a_step_is_a_loop_over_examples_with_the_same_noise() -> None:
    ours = watched(dp_sgd(NOISY, epochs=1), **ONE_STEP)[1]
    noises = [noise(i) for i in (0, 1)]
    kernels = [np.asarray(part["stem"]["kernel"]) for part in noises]
    assert np.std(kernels) == pytest.approx(0.5 / 40, rel=0.1) and (kernels[0] != kernels[1]).all()
    for i in (0, 1):
        known = jax.tree.map(
            lambda p, s, n: p - 0.1 * (s / 40 + n), initial(i).params, clipped_sum(i), noises[i]
        )
        chex.assert_trees_all_close(of(ours, i), known, rtol=1e-3, atol=1e-5)


def test_regions_are_clipped_as_one_and_frozen_ones_do_not_count() -> None:
    quiet = Private(noise_multiplier=0.0, max_norm=0.5)
    phase = Phase(epochs=1, objectives=CE, gradient=quiet, frozen=("still",))
    region = {"still": ["stem"], "first": ["stage1"]}
    ours = watched(Recipe(name="r", region=region, phases=(phase,)), **ONE_STEP)[1]
    total = clipped_sum(1, frozen=("stem",))
    known = jax.tree.map(lambda p, s: p - 0.1 * s / 40, initial(1).params, total)
    chex.assert_trees_all_close(of(ours, 1), known, rtol=1e-3, atol=1e-5)


def test_without_noise_and_with_a_huge_norm_it_is_plain_training() -> None:
    private = Private(noise_multiplier=0.0, max_norm=1e6, microbatch_size=10)
    ours, plain = watched(dp_sgd(private, 2), **ONE_STEP), watched(undefended(2), **ONE_STEP)
    chex.assert_trees_all_close(ours[2].params, plain[2].params, rtol=1e-3, atol=1e-5)


def test_an_objective_that_learns_from_the_outputs_would_tell_what_no_noise_covers() -> None:
    with pytest.raises(
        ValueError, match="one has an objective that learns from the members itself"
    ):
        Phase(epochs=1, objectives=CRL(alpha=1.0), gradient=NOISY)


def test_group_norm_is_welcome_and_batch_norm_is_not() -> None:
    recipe, x = dp_sgd(NOISY, 1), DATA.inputs(slice(0, 1))
    check_model(recipe, cnn([2], 4, 10, norm="group"), x)
    check_model(undefended(1), cnn([2], 4, 10, norm="batch"), x)
    with pytest.raises(ValueError, match="keeps running statistics of entire batches"):
        check_model(recipe, cnn([2], 4, 10, norm="batch"), x)
