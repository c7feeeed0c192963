"""The decoder in the manner of Llama: against a naive twin, and what it must not do."""

import math
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from filling import filled
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.models import compiled_for, in_precision, llama, rebuilt
from pptp_jax.models.llama_decoder import rotated

pytestmark = pytest.mark.usefixtures("compile_in_haste")

SIZES = {"vocab": 11, "width": 24, "depth": 2, "heads": 6, "kv_heads": 2, "hidden": 20}
SMALL = llama(**SIZES, context=16, theta=100.0)
X = jnp.asarray(np.random.default_rng(0).integers(0, 11, (3, 7)))


def logits(model, variables, x=X):
    return model.apply(*variables, x, train=False, key=None)[0]


def naive(params, x, heads: int, kv_heads: int, theta: float, epsilon: float) -> np.ndarray:
    """One sequence in float64, place by place and head by head; positions are complex numbers."""
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    embedding = p["embed"]["embedding"]

    def norm(v, part):
        return v / math.sqrt(np.mean(v**2) + epsilon) * part["scale"]

    def turned(v, place):
        half = len(v) // 2
        pairs = v[:half] + 1j * v[half:]
        for i in range(half):
            pairs[i] *= np.exp(1j * place * theta ** (-2 * i / len(v)))
        return np.concatenate([pairs.real, pairs.imag])

    stream = [embedding[token] for token in x]
    for name in sorted(name for name in p if name.startswith("block")):
        block, attention = p[name], p[name]["attention"]
        size = embedding.shape[1] // heads
        part = {
            kind: [norm(v, block["norm1"]) @ attention[kind]["kernel"] for v in stream]
            for kind in ("query", "key", "value")
        }
        for place in range(len(stream)):
            mixed = []
            for head in range(heads):
                own = slice(head * size, (head + 1) * size)
                shared = head // (heads // kv_heads)
                theirs = slice(shared * size, (shared + 1) * size)
                query = turned(part["query"][place][own], place)
                scores = [
                    query @ turned(part["key"][j][theirs], j) / math.sqrt(size)
                    for j in range(place + 1)
                ]
                weights = np.exp(scores) / np.exp(scores).sum()
                mixed += list(sum(w * part["value"][j][theirs] for j, w in enumerate(weights)))
            v = stream[place] + np.array(mixed) @ attention["out"]["kernel"]
            y, mlp = norm(v, block["norm2"]), block["mlp"]
            gate = y @ mlp["gate"]["kernel"]
            hidden = gate / (1 + np.exp(-gate)) * (y @ mlp["up"]["kernel"])
            stream[place] = v + hidden @ mlp["down"]["kernel"]
    last = np.stack([norm(v, p["head"]["norm"]) for v in stream])
    return last @ (p["head"]["dense"]["kernel"] if "dense" in p["head"] else embedding.T)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kv_heads", [1, 2, 6])
def test_logits_are_those_of_the_naive_twin(tied: bool, kv_heads: int) -> None:
    model = rebuilt(SMALL, tied=tied, kv_heads=kv_heads)
    variables = filled(model, X)
    found = jax.jit(lambda v: logits(model, v))(variables)
    assert found.shape == (3, 7, 11) and float(jnp.std(found)) > 0.1
    for x, row in zip(X, found, strict=True):
        expected = naive(variables.params, x, 6, kv_heads, 100.0, 1e-5)
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 40))
def test_products_of_rotated_vectors_depend_on_their_distance(i: int, j: int, by: int) -> None:
    query, key = np.random.default_rng(i).normal(size=(2, 1, 1, 1, 8)).astype(np.float32)
    places = [1, 101, 1, 1]
    q, k = (rotated(jnp.asarray(np.tile(v, places)), 50.0)[0, :, 0] for v in (query, key))
    np.testing.assert_allclose(q[i] @ k[j], q[i + by] @ k[j + by], atol=2e-4)
    np.testing.assert_allclose(jnp.linalg.norm(q[i]), np.linalg.norm(query), rtol=1e-5)
    np.testing.assert_array_equal(q[0], query[0, 0, 0])


def test_no_place_sees_a_later_token_or_another_sequence() -> None:
    variables = filled(SMALL, X)
    run = jax.jit(lambda x: logits(SMALL, variables, x))
    before, after = run(X), run(X.at[0, 4].set((X[0, 4] + 1) % 11))
    np.testing.assert_array_equal(before[1:], after[1:])
    np.testing.assert_array_equal(before[0, :4], after[0, :4])
    assert (jnp.abs(before - after)[0, 4:].max(axis=-1) > 1e-4).all()
    np.testing.assert_allclose(run(X[:, :5]), before[:, :5], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_blocks_and_features(tied: bool) -> None:
    model = rebuilt(SMALL, tied=tied)
    variables = filled(model, X)
    names = ["embed", "block1", "block2", "head"]
    assert [block.name for block in model.blocks] == names and set(variables.params) == set(names)
    block = 2 * 24 * 24 + 2 * 24 * 8 + 3 * 24 * 20 + 2 * 24
    count = 11 * 24 * (1 if tied else 2) + 2 * block + 24
    assert sum(leaf.size for leaf in jax.tree.leaves(variables.params)) == count
    *inside, last = model.features(*variables, X)
    assert [part.shape for part in inside] == [(3, 7, 24)] * 3
    np.testing.assert_array_equal(last, logits(model, variables))
    assert rebuilt(model, depth=1).config == {**model.config, "depth": 1}


def test_smollm2_has_its_published_size() -> None:
    model = llama(49_152, 576, 30, 9, 3, 1536, 8192, theta=1e5)
    shapes = model.shapes(jax.ShapeDtypeStruct((1, 2), jnp.int32))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes.params)) == 134_515_008


def loss(model, params):
    outputs, _ = model.apply(params, {}, X[:, :-1], train=True, key=None)
    losses = optax.softmax_cross_entropy_with_integer_labels(outputs, X[:, 1:])
    return losses.mean()


def test_the_same_gradients_from_blocks_computed_again() -> None:
    params = filled(SMALL, X).params
    plain, again = (
        jax.jit(jax.grad(lambda p, model=model: loss(model, p)))(params)
        for model in (SMALL, rebuilt(SMALL, remat=True))
    )
    chex.assert_trees_all_close(plain, again, rtol=1e-5, atol=1e-6)
    assert min(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(plain)) > 1e-5


def test_it_memorises_three_sequences() -> None:
    params, optimizer = SMALL.init(jax.random.key(0), X).params, optax.adam(1e-2)

    def step(carry, _):
        params, state = carry
        now, gradient = jax.value_and_grad(lambda p: loss(SMALL, p))(params)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, updates), state), now

    train = jax.jit(lambda carry: jax.lax.scan(step, carry, length=100))
    with jax.numpy_dtype_promotion("standard"):  # Adam counts in integers
        _, losses = train((params, optimizer.init(params)))
    assert losses[0] > 2 and losses[-1] < 0.3


def test_bfloat16_rounds_training_alone() -> None:
    variables = filled(SMALL, X)
    half = in_precision(SMALL, "bfloat16")
    with jax.numpy_dtype_promotion("standard"):  # Flax's norms take float32 statistics
        rounded, _ = half.apply(*variables, X, train=True, key=None)
    exact = logits(SMALL, variables)
    assert rounded.dtype == jnp.float32
    error = jnp.abs(rounded - exact).max() / jnp.abs(exact).max()
    assert 1e-4 < error < 0.05
    np.testing.assert_array_equal(logits(half, variables), exact)


def test_every_product_is_exact_on_a_gpu_by_default() -> None:
    variables = filled(SMALL, X)
    with compiled_for("gpu"):
        program = jax.jit(SMALL.answering(variables)).lower(X).as_text()
    products = re.findall(r"dot_general.*", program)
    assert len(products) == 2 * 9 + 1 and all("HIGHEST" in product for product in products)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: llama(depth=0), "depth must be an integer of at least 1, got 0"),
        (lambda: llama(vocab=1), "vocab must be an integer of at least 2, got 1"),
        (lambda: llama(theta=0.0), "theta must be a finite number above 0"),
        (
            lambda: llama(width=12, heads=4),
            "heads must divide the width into even parts, got 4 heads and width 12",
        ),
        (lambda: llama(heads=4, kv_heads=3), "kv_heads must divide heads, got 3 and 4"),
        (
            lambda: SMALL.init(jax.random.key(0), X.astype(jnp.float32)),
            "a decoder needs token ids, integers, got float32",
        ),
        (
            lambda: SMALL.init(jax.random.key(0), jnp.zeros((1, 17), jnp.int32)),
            "a sequence of 17 tokens is longer than the context of 16",
        ),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
