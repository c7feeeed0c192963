"""bfloat16: what is computed in it, what is not, and that it trains the same."""

import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filling import filled
from jax.flatten_util import ravel_pytree

from pptp_jax.data import Arrays, Balanced, Digits, member_indices
from pptp_jax.models import Model, Variables, cnn, from_linen, in_precision, mlp, rebuilt, vit
from pptp_jax.models.resnet import ResNet
from pptp_jax.regions import protect
from pptp_jax.training import train_fleet, undefended

pytestmark = pytest.mark.usefixtures("compile_in_haste")

X = jax.random.normal(jax.random.key(0), (8, 8, 8, 3))
Y = jnp.arange(8) % 3
MODELS = {
    "mlp": mlp([16], num_classes=3, dropout=0.3),
    "cnn": cnn([4], dense=8, num_classes=3, norm="group"),
    "resnet": from_linen(ResNet((4,), 1, 3, "batch"), ["stem", "stage1", "head"]),
    "vit": vit(3, patch=4, width=8, depths=(1,), heads=2, mlp=8),
}


@pytest.fixture(autouse=True)
def flax_promotes():
    """Flax's norms take float32 statistics off bfloat16 inputs, which strict promotion refuses."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def loss(model: Model, state, train: bool):
    """The cross-entropy of a batch, with the logits and the new state."""

    def of(params):
        key = jax.random.key(1) if train else None
        logits, after = model.apply(params, state, X, train=train, key=key)
        logs = jnp.take_along_axis(jax.nn.log_softmax(logits), Y[:, None], axis=1)
        return -logs.mean(), (logits, after)

    return jax.value_and_grad(of, has_aux=True)


def product_types(program: str) -> list[set[str]]:
    """The element types of each matrix product's and each convolution's operands and result."""
    lines = re.findall(r"stablehlo\.(?:dot_general|convolution).*", program)
    return [set(re.findall(r"x([bf]+\d+)>", line.rpartition(" : ")[2])) for line in lines]


@pytest.mark.parametrize("name", MODELS)
def test_products_are_in_bfloat16_and_all_that_is_kept_in_float32(name: str) -> None:
    model, variables = MODELS[name], filled(MODELS[name], X)
    rounded = in_precision(model, "bfloat16")
    plain, ours = (jax.jit(loss(one, variables.state, True)) for one in (model, rounded))
    texts = [step.lower(variables.params).as_text() for step in (plain, ours)]
    known, found = map(product_types, texts)
    assert len(known) == len(found) > 3
    assert all(types == {"f32"} for types in known)
    assert all(types == {"bf16"} for types in found)
    (value, (logits, state)), grads = ours(variables.params)
    for tree in (value, logits, state, grads):
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(tree)} <= {"float32"}
    # To the eight bits of a bfloat16, though not to those of a float32.
    (exact, (exact_logits, exact_state)), exact_grads = plain(variables.params)
    np.testing.assert_allclose(value, exact, rtol=0.02)
    assert 0 < np.abs(logits - exact_logits).max() < 0.05 * np.abs(exact_logits).max()
    chex.assert_trees_all_close(state, exact_state, rtol=0.02, atol=0.02)
    vectors = [ravel_pytree(tree)[0] for tree in (grads, exact_grads)]
    cosine = vectors[0] @ vectors[1] / np.prod([np.linalg.norm(vector) for vector in vectors])
    assert cosine > 0.98


def test_a_network_evaluates_in_float32() -> None:
    model, variables = MODELS["cnn"], filled(MODELS["cnn"], X)
    rounded = in_precision(model, "bfloat16")
    programs = [
        jax.jit(lambda x, one=one, train=train: one.apply(*variables, x, train=train, key=None)[0])
        for one, train in ((model, False), (rounded, False), (rounded, ("head",)))
    ]
    known, found, learning = (program(X) for program in programs)
    np.testing.assert_array_equal(known, found)
    assert (rounded.statistics, rounded.features) == (model.statistics, model.features)
    # But not where some of its blocks train.
    assert np.abs(known - learning).max() > 0


def test_a_fleet_trains_as_in_float32() -> None:
    model, data = mlp([32], num_classes=10), Arrays.of(Digits().load(lambda n: np.arange(400)))
    members = member_indices(Balanced(2).draw(400, 0).matrix)
    plain, rounded = (
        next(train_fleet(one, undefended(6), data, members, batch_size=50))
        for one in (model, in_precision(model, "bfloat16"))
    )
    assert (plain.loss[:, -1] < 0.6 * plain.loss[:, 0]).all()
    np.testing.assert_allclose(rounded.loss, plain.loss, rtol=0.05)
    assert np.abs(rounded.loss - plain.loss).max() > 0
    chex.assert_trees_all_equal_shapes_and_dtypes(rounded.variables, plain.variables)


def test_a_model_of_ones_own_gets_rounded_numbers_and_keeps_its_state() -> None:
    seen = []

    def apply(params, state, x, *, train, key):
        seen.append([str(leaf.dtype) for leaf in (params["w"], params["at"], x, *state)])
        mean = 0.5 * state[0] + 0.5 * x.astype(jnp.float32).mean()
        return x @ params["w"], (mean.astype(jnp.bfloat16), state[1] + 1)

    params = {"w": jnp.full((2, 3), 1 / 3), "at": jnp.int32(4)}
    start = Variables(params, (jnp.zeros(()), jnp.int32(0)))
    model = in_precision(Model(lambda key, x: start, apply), "bfloat16")
    x = jnp.full((5, 2), 1 / 3)
    logits, state = model.apply(*model.init(None, x), x, train=True, key=None)
    assert seen == [["bfloat16", "int32", "bfloat16", "float32", "int32"]]
    assert [str(leaf.dtype) for leaf in (logits, *state)] == ["float32", "float32", "int32"]
    third = float(jnp.bfloat16(1 / 3))
    np.testing.assert_allclose(logits, 2 * third * third, rtol=2**-8)


def test_the_record_tells_and_regions_stay() -> None:
    model = MODELS["mlp"]
    rounded = in_precision(model, "bfloat16")
    assert rounded.config == {
        "name": "in_precision",
        "precision": "bfloat16",
        "model": model.config,
    }
    params = filled(model, X).params
    labels = [protect("head", one.blocks).labels(params) for one in (model, rounded)]
    assert labels[0] == labels[1] and rounded.init is model.init
    with pytest.raises(ValueError, match="change this one where it is defined"):
        rebuilt(rounded, dropout=0.1)
