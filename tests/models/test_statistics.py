"""Recomputed batch-norm statistics, against NumPy on what each layer is given."""

from functools import partial

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filling import filled

from pptp_jax.models import Model, Variables, from_linen, mlp, recompute_statistics
from pptp_jax.models.resnet import ResNet

BATCHES = jax.random.normal(jax.random.key(0), (3, 5, 6, 6, 3)) * 2.0 + 1.0


class OneNorm(nn.Module):
    """A norm behind a dense layer and a dropout, with a collection that is no statistic."""

    @nn.compact
    def __call__(self, x, *, train: bool):
        count = self.variable("counts", "calls", lambda: jnp.int32(7))
        x = nn.Dense(4, name="stem")(x.reshape(x.shape[0], -1))
        x = nn.Dropout(0.5, deterministic=not train)(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.8, name="norm")(x)
        frozen = nn.BatchNorm(use_running_average=True, name="frozen")(x)
        return nn.Dense(2, name="head")(frozen) + count.value.astype(x.dtype)


def test_one_norm_gets_the_mean_over_batches_of_their_moments() -> None:
    model = from_linen(OneNorm())
    variables = filled(model, BATCHES[0])
    recomputed = jax.jit(partial(recompute_statistics, model))(variables, BATCHES)
    flat = np.asarray(BATCHES, np.float64).reshape(3, 5, -1)
    stem = variables.params["stem"]
    inputs = flat @ np.asarray(stem["kernel"], np.float64) + np.asarray(stem["bias"])
    norm = recomputed.state["batch_stats"]["norm"]
    np.testing.assert_allclose(norm["mean"], inputs.mean((0, 1)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(norm["var"], inputs.var(1).mean(0), rtol=1e-5)
    # All that is no statistic of the inputs stays to the last bit.
    chex.assert_trees_all_equal(recomputed.params, variables.params)
    chex.assert_trees_all_equal(recomputed.state["counts"], variables.state["counts"])
    chex.assert_trees_all_equal(
        recomputed.state["batch_stats"]["frozen"], variables.state["batch_stats"]["frozen"]
    )


def convolved(x, conv, stride: int):
    """A convolution in NumPy, position by position."""
    kernel = np.asarray(conv["kernel"], np.float64)
    size = len(kernel)
    padded = np.pad(x, ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)))
    rows, columns = (range(0, x.shape[axis], stride) for axis in (1, 2))
    at = [
        [np.tensordot(padded[:, i : i + size, j : j + size], kernel, 3) for j in columns]
        for i in rows
    ]
    return np.moveaxis(np.array(at), 2, 0)


class Twin:
    """A residual network in NumPy that notes the moments of what each norm is given."""

    def __init__(self, params) -> None:
        self.params, self.moments = params, {}

    def normed(self, path: tuple[str, ...], x, stride: int = 1):
        params = self.params
        for name in path:
            params = params[name]
        x = convolved(x, params["conv"], stride)
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        self.moments[path] = mean, var
        norm = {name: np.asarray(leaf, np.float64) for name, leaf in params["norm"].items()}
        return (x - mean) / np.sqrt(var + 1e-5) * norm["scale"] + norm["bias"]

    def run(self, x):
        x = np.maximum(self.normed(("stem",), x), 0)
        for stage, stride in (("stage1", 1), ("stage2", 2)):
            y = np.maximum(self.normed((stage, "block1", "conv1"), x, stride), 0)
            y = self.normed((stage, "block1", "conv2"), y)
            if stride == 2:
                x = self.normed((stage, "block1", "shortcut"), x, stride)
            x = np.maximum(x + y, 0)
        head = {name: np.asarray(leaf, np.float64) for name, leaf in self.params["head"].items()}
        return x.mean((1, 2)) @ head["kernel"] + head["bias"]


@pytest.fixture(scope="module")
def residual() -> Model:
    return from_linen(ResNet((3, 4), 1, 2, "batch"))


def test_a_residual_network_is_its_twin_in_numpy_for_each_of_two_models(
    residual: Model, compile_in_haste
) -> None:
    models = [filled(residual, BATCHES[0], seed=key) for key in (1, 2)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    rows = jnp.arange(15).reshape(3, 5)
    images = BATCHES.reshape(15, 6, 6, 3)
    recompute = partial(recompute_statistics, residual, inputs=lambda rows: images[rows])
    fleet = jax.jit(jax.vmap(recompute, in_axes=(0, None)))(stacked, rows)
    apply = jax.jit(lambda v, x: residual.apply(*v, x, train=False, key=None)[0])
    for i, variables in enumerate(models):
        twins = [Twin(variables.params) for _ in range(3)]
        for twin, x in zip(twins, np.asarray(BATCHES, np.float64), strict=True):
            twin.run(x)
        statistics = jax.tree.map(lambda leaf, i=i: leaf[i], fleet.state["batch_stats"])
        assert len(twins[0].moments) == len(jax.tree.leaves(statistics)) / 2 == 6
        for path in twins[0].moments:
            found = statistics
            for name in path:
                found = found[name]
            for j, name in enumerate(("mean", "var")):
                known = np.mean([twin.moments[path][j] for twin in twins], axis=0)
                np.testing.assert_allclose(found["norm"][name], known, rtol=2e-4, atol=2e-4)
    # With the statistics of one batch alone the network evaluates that batch as it trains on it.
    state = {"batch_stats": jax.tree.map(lambda leaf: leaf * 1.0, statistics)}
    for path, moments in twins[0].moments.items():
        place = state["batch_stats"]
        for name in path:
            place = place[name]
        place["norm"] = dict(zip(("mean", "var"), map(jnp.float32, moments), strict=True))
    evaluated = apply(Variables(variables.params, state), BATCHES[0])
    known = twins[0].run(np.asarray(BATCHES[0], np.float64))
    np.testing.assert_allclose(evaluated, known, rtol=1e-3, atol=1e-3)


def test_without_statistics_the_variables_are_the_same() -> None:
    model = mlp([4], 2)
    variables = filled(model, BATCHES[0])
    assert recompute_statistics(model, variables, BATCHES) is variables
    # A model of the user's that says nothing of statistics keeps its state.
    kept = Variables({}, {"mean": jnp.ones(3)})
    silent = Model(lambda key, x: kept, lambda *args, **kwargs: (BATCHES[0], {}))
    assert recompute_statistics(silent, kept, BATCHES) is kept


def test_a_models_own_statistics_are_averaged() -> None:
    def statistics(params, state, x):
        return {"norms": (x.mean((0, 1, 2)), state["norms"][1])}

    variables = Variables({}, {"norms": (jnp.zeros(3), jax.random.key(5))})
    model = Model(lambda key, x: variables, lambda *a, **k: None, statistics=statistics)
    mean, key = recompute_statistics(model, variables, BATCHES).state["norms"]
    np.testing.assert_allclose(mean, np.asarray(BATCHES).mean((0, 1, 2, 3)), rtol=1e-5)
    assert key == jax.random.key(5)


def test_no_batches_are_refused(residual: Model) -> None:
    with pytest.raises(ValueError, match="statistics need at least one batch, got none"):
        recompute_statistics(residual, filled(residual, BATCHES[0]), BATCHES[:0])
