"""Dropout in the small residual networks: all of a map of the last stage, or nothing of it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filling import filled

from pptp_jax.models import Model, resnet8, resnet9

pytestmark = pytest.mark.usefixtures("compile_in_haste")

CHANNELS, RATE = 32, 0.25
X = jax.random.normal(jax.random.key(0), (40, 16, 16, 3))
# Group norm: training mode differs by the dropout alone. As many classes as maps.
NETWORKS = {
    "resnet8": (partial(resnet8, CHANNELS, width=CHANNELS // 4, norm="group"), np.mean, 1.0),
    "resnet9": (partial(resnet9, CHANNELS, width=CHANNELS // 8, norm="group"), np.max, 8.0),
}


def showing(model: Model, factor: float):
    """Variables whose logits are the pooled maps."""
    params, state = filled(model, X)
    head = jax.tree.map(jnp.zeros_like, params["head"]) | {"kernel": factor * jnp.eye(CHANNELS)}
    return {**params, "head": head}, state


@pytest.mark.parametrize("network", NETWORKS)
def test_all_of_a_map_is_dropped_for_one_example_by_itself(network: str) -> None:
    make, pool, factor = NETWORKS[network]
    model = make(dropout=RATE)
    params, state = showing(model, factor)
    *_, maps, _ = map(np.asarray, jax.jit(model.features)(params, state, X))
    run = jax.jit(lambda key: model.apply(params, state, X, train=True, key=key)[0])
    first, second = (np.asarray(run(jax.random.key(seed))) for seed in (1, 2))
    for logits in (first, second):
        kept = logits != 0
        naive = np.zeros_like(maps)
        for example, channel in np.argwhere(kept):
            naive[example, ..., channel] = maps[example, ..., channel] / (1 - RATE)
        np.testing.assert_allclose(logits, pool(naive, axis=(1, 2)), rtol=1e-4, atol=1e-6)
        # Of 1,280 maps: five standard deviations.
        assert kept.mean() == pytest.approx(1 - RATE, abs=0.06)
        assert len({row.tobytes() for row in kept}) == len(X)
    assert ((first != 0) != (second != 0)).any()
    np.testing.assert_array_equal(run(jax.random.key(1)), first)


@pytest.mark.parametrize("network", NETWORKS)
def test_zero_is_the_network_without(network: str) -> None:
    make, *_ = NETWORKS[network]
    variables = jax.eval_shape(make().init, jax.random.key(0), X)

    def program(model: Model, train) -> str:
        key = jax.random.key(0) if train else None
        return str(jax.make_jaxpr(lambda v: model.apply(*v, X, train=train, key=key))(variables))

    assert jax.eval_shape(make(dropout=0.5).init, jax.random.key(0), X) == variables
    assert "random" not in program(make(dropout=0.0), True)
    assert "random" in program(make(dropout=0.5), True)
    for eval_mode in (False, ()):
        assert program(make(dropout=0.5), eval_mode) == program(make(dropout=0.0), eval_mode)
