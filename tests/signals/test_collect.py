"""What is taken of a model, in eval mode, by which queries."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Dataset, Digits
from pptp_jax.models import Model, Variables, from_linen
from pptp_jax.release import OrderOnly
from pptp_jax.signals import FLIP, IDENTITY, collect, shift
from pptp_jax.tasks import logit_scaled_confidence

DATA = Arrays.of(Digits().load(lambda n: np.arange(30)))
QUERIES = (IDENTITY, FLIP, shift(1, -2))


def collected(model: Model, variables: Variables, data: Arrays, **options):
    return collect(model.answering(variables), data, task=model.task, **options)


class Wobbly(nn.Module):
    @nn.compact
    def __call__(self, x, *, train: bool):
        x = x.reshape(x.shape[0], -1)
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(10)(nn.Dropout(0.9, deterministic=not train)(x))


@pytest.fixture
def wobbly(rng: np.random.Generator) -> tuple[Model, Variables]:
    """A model whose running statistics are not those of any batch."""
    model = from_linen(Wobbly())
    params, state = model.init(jax.random.key(0), DATA.inputs(slice(0, 2)))
    drawn = jax.tree.map(lambda leaf: jnp.float32(rng.uniform(0.5, 2, leaf.shape)), state)
    return model, Variables(params, drawn)


def test_batch_norm_uses_its_running_statistics_and_nothing_is_dropped(wobbly) -> None:
    model, variables = wobbly
    seen = collected(model, variables, DATA)
    params, state = jax.tree.map(np.float64, variables)
    stats = state["batch_stats"]["BatchNorm_0"]
    x = np.float64(DATA.inputs(slice(None))).reshape(30, -1)
    normed = (x - stats["mean"]) / np.sqrt(stats["var"] + 1e-5)
    known = normed @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"]
    np.testing.assert_allclose(seen["logits"][0], known, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(seen["correct"][0], known.argmax(-1) == DATA.y)


@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_signals_do_not_depend_on_the_batch(wobbly, batch_size: int) -> None:
    seen = collected(*wobbly, DATA, queries=QUERIES, batch_size=batch_size)
    known = collected(*wobbly, DATA, queries=QUERIES)
    np.testing.assert_allclose(seen["logits"], known["logits"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seen["confidence"], known["confidence"], rtol=1e-4, atol=1e-4)


def test_every_query_has_its_place(wobbly) -> None:
    model, variables = wobbly
    seen = collected(model, variables, DATA, queries=QUERIES)
    for query, logits, confidence in zip(QUERIES, seen["logits"], seen["confidence"], strict=True):
        x = query(DATA.inputs(slice(None)))
        known, _ = model.apply(*variables, x, train=False, key=None)
        np.testing.assert_allclose(logits, known, rtol=1e-4, atol=1e-5)
        phi = logit_scaled_confidence(known, DATA.y)
        np.testing.assert_allclose(confidence, phi, rtol=1e-4, atol=1e-4)
    alone = collected(model, variables, DATA)["correct"][0]
    np.testing.assert_array_equal(seen["correct"][0], alone)


def test_a_release_answers_every_query(wobbly) -> None:
    model, variables = wobbly
    told = collected(
        model, variables, DATA, queries=QUERIES, release=OrderOnly(), key=jax.random.key(1)
    )
    true = collected(model, variables, DATA, queries=QUERIES)
    np.testing.assert_array_equal(told["logits"].argsort(-1), true["logits"].argsort(-1))
    numbers = np.sort(told["logits"], axis=-1)
    assert not np.isclose(numbers[0], numbers[1]).all(axis=-1).any()  # a draw of its own each


def test_signals_are_float32_whatever_the_model_computes_in() -> None:
    half = Model(
        init=lambda key, x: Variables({}, {}),
        apply=lambda params, state, x, *, train, key: (
            x.reshape(len(x), -1)[:, :10].astype(jnp.bfloat16),
            state,
        ),
    )
    seen = collected(half, Variables({}, {}), DATA)
    assert seen["logits"].dtype == seen["confidence"].dtype == jnp.float32


def test_a_table_is_not_mirrored(wobbly) -> None:
    table = Arrays.of(Dataset("table", np.ones((2, 3)), np.array([0, 1]), np.arange(2), 2))
    with pytest.raises(ValueError, match=r"'flip' needs images .* have shape \(3,\)"):
        collected(*wobbly, table, queries=(IDENTITY, FLIP))
