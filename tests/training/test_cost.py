"""What a step costs, from the compiled program of the entire step, optimiser included."""

from functools import cache, partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import pytest

from pptp_jax.data import Arrays
from pptp_jax.models import cnn, mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.training import SGD, Recipe, Trainer, freeze, split, undefended
from pptp_jax.training.phase_transform import transform
from pptp_jax.training.step import Step

RELAX = RelaxLoss(alpha=1.0)
BATCH = 64
# The network of Location-30, and a small convolutional one whose first layer is cheap.
WIDTHS = (446, 512, 256, 128, 30)
NETWORKS = {
    "mlp": (mlp(WIDTHS[1:-1], num_classes=30), (446,), 30),
    "cnn": (cnn([16, 32, 64], dense=128, num_classes=10), (32, 32, 3), 10),
}


def flops(name: str, recipe: Recipe) -> float:
    """The operations of one step of the recipe's last phase; no array is ever made."""
    model, shape, _ = NETWORKS[name]
    phase, regions = recipe.phases[-1], recipe.regions(model)
    data = Arrays(
        x=jax.ShapeDtypeStruct((BATCH, *shape), jnp.float32),
        y=jax.ShapeDtypeStruct((BATCH,), jnp.int32),
        scale=jax.ShapeDtypeStruct((), jnp.float32),
        reference=jax.ShapeDtypeStruct((0,), jnp.int32),
    )
    rows, key = (
        jax.ShapeDtypeStruct((BATCH,), jnp.int32),
        jax.eval_shape(partial(jax.random.key, 0)),
    )
    start = partial(Trainer(model, regions, BATCH).start, SGD(), phase, None)
    state = jax.eval_shape(start, key, data, rows, None)
    tx = transform(SGD(), phase, 10, regions, None, BATCH)

    def step(state, data, rows, key):
        return Step(model, regions, phase, tx, data, data, jnp.int32(0))(state, rows, None, key)

    return jax.jit(step).lower(state, data, rows, key).compile().cost_analysis()["flops"]


@cache
def plain(name: str) -> float:
    return flops(name, undefended(1))


@pytest.mark.parametrize(
    ("name", "region", "most"),
    [
        ("mlp", "stem", 1.35),
        ("mlp", "not stem", 1.15),
        ("mlp", "deep", 1.15),
        ("cnn", "stem", 1.35),
        ("cnn", "deep", 1.15),
    ],
)
def test_split_costs_one_forward_and_no_weight_gradient_twice(
    name: str, region: str, most: float
) -> None:
    """A second backward pass on top would be another third at the least, if not two."""
    assert 1 < flops(name, split(region, RELAX, 1)) / plain(name) < most


def dense_step(trained: int) -> int:
    """The multiplications and additions of a plain step that trains the last layers alone."""
    sizes = [a * b for a, b in pairwise(WIDTHS)]
    forward, weights = sum(sizes), sum(sizes[-trained:])
    activations = sum(sizes[len(sizes) - trained + 1 :])
    return 2 * BATCH * (forward + weights + activations)


def test_the_cost_is_that_of_its_matrix_products() -> None:
    """Split adds one pull-back through the layers behind the first that the other loss reaches."""
    assert plain("mlp") == pytest.approx(dense_step(4), rel=0.1)
    for region, trained in (("stem", 3), ("shallow", 2), (("stem", "stage1", "stage2"), 1)):
        saved = plain("mlp") - flops("mlp", freeze(region, 1, 1))
        assert saved == pytest.approx(dense_step(4) - dense_step(trained), rel=0.1), region
    again = flops("mlp", split("stem", RELAX, 1)) - plain("mlp")
    assert again == pytest.approx(2 * BATCH * (256 * 128 + 128 * 30), rel=0.1)


def test_a_frozen_prefix_of_convolutions_leaves_their_forward_pass() -> None:
    """Two thirds of a step are backward, and the first two of four layers have most of the work."""
    assert flops("cnn", freeze("shallow", 1, 1)) < 0.4 * plain("cnn")
