"""The decoder of text: what it sees, against plain NumPy, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filling import filled
from scipy.special import softmax

from pptp_jax.models import gpt, in_precision, rebuilt
from pptp_jax.regions import RegionMap, protect
from pptp_jax.tasks import Language

SMALL = gpt(vocab=13, width=8, depth=2, heads=2, context=9)
IDS = np.int32(np.random.default_rng(0).integers(13, size=(3, 7)))


def outputs(model, variables, ids) -> np.ndarray:
    return np.asarray(model.apply(*variables, jnp.asarray(ids), train=False, key=None)[0])


def norm(x: np.ndarray, own: dict) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * own["scale"] + own["bias"]


def attended(x: np.ndarray, own: dict) -> np.ndarray:
    """Attention, a head and a place at a time, each with what stands before it and itself."""
    kinds = ("query", "key", "value")
    query, key, value = (
        np.einsum("tw,whd->htd", x, own[kind]["kernel"]) + own[kind]["bias"][:, None]
        for kind in kinds
    )
    found = np.zeros_like(x)
    for head in range(len(query)):
        for place in range(len(x)):
            scores = [query[head, place] @ key[head, i] for i in range(place + 1)]
            weights = softmax(np.array(scores) / np.sqrt(query.shape[-1]))
            seen = sum(w * value[head, i] for i, w in enumerate(weights))
            found[place] += seen @ own["out"]["kernel"][head]
    return found + own["out"]["bias"]


def gelu(x: np.ndarray) -> np.ndarray:
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def naive(params: dict, ids: np.ndarray, tied: bool) -> np.ndarray:
    """The logits of one sequence in double precision."""
    params = jax.tree.map(np.float64, params)
    table = params["embed"]["tokens"]["embedding"]
    x = table[ids] + params["embed"]["positions"][: len(ids)]
    for i in (1, 2):
        own = params[f"block{i}"]
        x = x + attended(norm(x, own["norm1"]), own["attention"])
        hidden = norm(x, own["norm2"]) @ own["dense1"]["kernel"] + own["dense1"]["bias"]
        x = x + gelu(hidden) @ own["dense2"]["kernel"] + own["dense2"]["bias"]
    x = norm(x, params["head"]["norm"])
    return x @ (table.T if tied else params["head"]["dense"]["kernel"])


@pytest.mark.parametrize("tied", [False, True])
def test_the_decoder_is_its_twin(tied: bool, compile_in_haste) -> None:
    model = rebuilt(SMALL, tied=tied)
    variables = filled(model, jnp.asarray(IDS))
    found = outputs(model, variables, IDS)
    assert found.shape == (3, 7, 13) and np.ptp(found) > 0.1
    for logits, ids in zip(found, IDS, strict=True):
        np.testing.assert_allclose(logits, naive(variables.params, ids, tied), 2e-4, 2e-4)


@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_later_token_changes_no_earlier_answer(place: int, compile_in_haste) -> None:
    variables = filled(SMALL, jnp.asarray(IDS))
    other = IDS.copy()
    other[:, place] = (other[:, place] + 1) % 13
    before, after = (outputs(SMALL, variables, ids) for ids in (IDS, other))
    changed = np.abs(before - after).max(axis=(0, 2)) > 1e-6
    assert changed.tolist() == [i >= place for i in range(7)]


@pytest.mark.parametrize("tied", [False, True])
def test_parameters_and_blocks(tied: bool) -> None:
    model = gpt(tied=tied)
    params = model.shapes(jax.ShapeDtypeStruct((1, 5), jnp.int32)).params
    width, vocab = 64, 257
    block = 12 * width**2 + 13 * width
    head = 2 * width + (0 if tied else vocab * width)
    count = (vocab + 128) * width + 2 * block + head
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
    names = [block.name for block in model.blocks]
    assert names == ["embed", "block1", "block2", "head"] and model.task == Language()
    exact = RegionMap.from_rules([(block.pattern, block.name) for block in model.blocks])
    assert set(jax.tree.leaves(exact.labels(params))) == set(names)
    assert "protect" in jax.tree.leaves(protect("not head", model.blocks).labels(params))


def test_training_drops_by_block(compile_in_haste) -> None:
    model = rebuilt(SMALL, dropout=0.5, remat=True)
    variables, x, key = filled(model, jnp.asarray(IDS)), jnp.asarray(IDS), jax.random.key(1)
    quiet, _ = model.apply(*variables, x, train=(), key=key)
    np.testing.assert_allclose(quiet, outputs(SMALL, variables, IDS), rtol=1e-5, atol=1e-6)
    for train in (True, ("block2",)):
        dropped, _ = model.apply(*variables, x, train=train, key=key)
        assert not np.allclose(dropped, quiet)


def test_half_precision_leaves_ids_alone(compile_in_haste) -> None:
    """Eight bits would not tell 256 from 257."""
    half = in_precision(gpt(vocab=1000, width=8, depth=1, heads=2, context=9), "bfloat16")
    variables = filled(half, ids := jnp.array([[256, 256, 999]]))
    with jax.numpy_dtype_promotion("standard"):  # for Flax's norms
        one, other = (
            half.apply(*variables, own, train=True, key=None)[0]
            for own in (ids, ids.at[0, 0].add(1))
        )
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gpt(vocab=1), "vocab must be an integer of at least 2, got 1"),
        (lambda: gpt(depth=0), "depth must be an integer of at least 1, got 0"),
        (lambda: gpt(width=10, heads=4), "heads must divide the width, got 4 heads and width 10"),
        (lambda: gpt(dropout=1.5), "dropout must lie between 0 and 1"),
        (lambda: SMALL.shapes(jnp.zeros((1, 4))), "token ids, integers .* got float32"),
        (lambda: SMALL.shapes(jnp.zeros((1, 10), int)), "of 10 tokens; it is 9"),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
