"""Signals of other texts, and of the base model, against loops over single sequences."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Bytes, Dataset
from pptp_jax.models import Model, gpt
from pptp_jax.signals import (
    BASE_DIVERGENCE,
    BASE_TOKEN_LOG_PROB,
    SignalRequest,
    lowered_signal,
    neighbour_signal,
    prefixed_signals,
)
from pptp_jax.signals.altered_text import cumulated, lowered_rows, substituted
from pptp_jax.tasks import Signal

pytestmark = pytest.mark.usefixtures("compile_in_haste")

LENGTH, MARK = 6, 256
TEXTS = ("Ab", "HELLO you", "x", "Zebra", "known", "to all")
REFERENCE = (4, 5)


def rows_of(texts) -> tuple[np.ndarray, np.ndarray]:
    following = np.full((len(texts), LENGTH), -1)
    for row, text in zip(following, texts, strict=True):
        tokens = [*text.encode(), MARK][:LENGTH]
        row[: len(tokens)] = tokens
    seen = np.concatenate([np.full((len(texts), 1), MARK), following[:, :-1]], axis=1)
    return np.where(seen < 0, MARK, seen), following


@cache
def request_of(context: int) -> SignalRequest:
    seen, following = rows_of(TEXTS)
    data = Dataset("texts", seen, following, np.arange(len(TEXTS)), None, vocabulary=257)
    arrays = Arrays.of(data, reference=REFERENCE)
    model = gpt(width=8, depth=1, heads=1, context=context)
    fleet = jax.vmap(model.init, in_axes=(0, None))(
        jax.random.split(jax.random.key(0), 2), arrays.inputs(slice(0, 1))
    )
    # Larger weights than at the start, so that texts differ.
    fleet = jax.tree.map(lambda leaf: 9 * leaf, fleet)
    rows = jnp.array([0, 1, 3])
    return SignalRequest(model, fleet, (0, 1), arrays, rows, jax.random.key(7))


def log_softmax(model: Model, own, seen) -> np.ndarray:
    outputs, _ = model.apply(*own, jnp.asarray(seen)[None], train=False, key=None)
    logits = np.float64(outputs[0])
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def tokens_log_p(model: Model, own, seen, following) -> np.ndarray:
    log_p = log_softmax(model, own, seen)
    return np.array([log_p[i, token] for i, token in enumerate(following) if token >= 0])


def each(request: SignalRequest):
    for i in request.numbers:
        own = jax.tree.map(lambda leaf, i=i: leaf[i], request.fleet)
        for j, row in enumerate(request.rows.tolist()):
            yield (i, j), own, row


def taken(signal: Signal, request: SignalRequest) -> np.ndarray:
    shape = jax.eval_shape(lambda fleet: signal.take(request._replace(fleet=fleet)), request.fleet)
    found = np.asarray(signal.take(request))
    assert found.shape == shape.shape and found.dtype == np.float32
    return found


def test_the_text_in_lower_case() -> None:
    request = request_of(2 * LENGTH)
    found = taken(lowered_signal(Bytes()), request)
    seen, following = rows_of([text.lower() for text in TEXTS])
    for at, own, row in each(request):
        expected = tokens_log_p(request.model, own, seen[row], following[row]).mean()
        assert found[at] == pytest.approx(expected, rel=1e-4)


class Pairs:
    """Two letters a token, as a tokenizer might have it: capitals are tokens of their own."""

    boundary = 0
    known = (None, "AB", "ab", "a", "b")

    def lowered(self, tokens: list[int]) -> list[int]:
        text = "".join(self.known[token] for token in tokens).lower()
        return [self.known.index(letter) for letter in text]


def test_other_tokens_are_split_once_more_between_the_boundaries() -> None:
    following = np.array([[1, 3, 0, 1], [2, -1, -1, -1], [0, 1, 0, -1]])
    seen, found = lowered_rows(
        np.array([[0, 1, 3, 0], [0, 2, 0, 0], [0, 0, 1, 0]]), following, Pairs()
    )
    assert found.tolist() == [[3, 4, 3, 0], [3, 4, -1, -1], [0, 3, 4, 0]]
    assert seen.tolist() == [[0, 3, 4, 3], [0, 3, 4, 0], [0, 0, 3, 4]]


def test_neighbours_have_other_tokens_at_a_share_of_the_places() -> None:
    request = request_of(2 * LENGTH)
    data, key = request.data, jax.random.key(3)
    counts = cumulated(data)
    known = np.asarray(data.y)
    for row, changed in ((0, 1), (1, 2), (2, 1), (3, 2)):
        seen, following = (
            np.asarray(part) for part in substituted(data, counts, jnp.int32(row), key, share=0.4)
        )
        there = known[row] >= 0
        assert (following != known[row]).sum() == changed and (following[~there] == -1).all()
        assert np.isin(following[there], known).all()
        assert (seen[1:][there[:-1]] == following[:-1][there[:-1]]).all() and seen[0] == MARK
    many = jax.vmap(lambda key: substituted(data, counts, jnp.int32(0), key, share=0.01)[1])
    drawn = np.asarray(many(jax.random.split(key, 4000)))
    new = drawn[drawn != known[0]]
    assert len(new) == 4000  # one token of each, and never by itself
    frequency = np.bincount(known[known >= 0], minlength=257)
    expected = np.mean(
        [
            np.where(np.arange(257) == t, 0, frequency) / (frequency.sum() - frequency[t])
            for t in known[0][known[0] >= 0]
        ],
        axis=0,
    )
    np.testing.assert_allclose(np.bincount(new, minlength=257) / 4000, expected, atol=0.03)


def test_neighbours_are_looked_at_alike_by_all_models() -> None:
    request = request_of(2 * LENGTH)
    found = taken(neighbour_signal(neighbours=3, share=0.4), request)
    for at, own, row in each(request):
        keys = jax.random.split(jax.random.fold_in(request.key, row), 3)
        texts = [
            substituted(request.data, cumulated(request.data), jnp.int32(row), key, share=0.4)
            for key in keys
        ]
        expected = [
            tokens_log_p(request.model, own, *map(np.asarray, text)).mean() for text in texts
        ]
        assert found[at] == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("context", [LENGTH, 2 * LENGTH])
def test_a_prefix_nobody_learned(context: int) -> None:
    """Two pieces of the reference texts; of a text as much as the context has room for."""
    request = request_of(context)
    behind, alone = (taken(signal, request) for signal in prefixed_signals(prefixes=3))
    known = [*b"known", MARK, *b"to all"[:LENGTH]]
    pieces = [known[3 * i : 3 * i + 3] for i in range(3)]
    seen, following = rows_of(TEXTS)
    kept = LENGTH if context > LENGTH else LENGTH - 3
    for at, own, row in each(request):
        expected = []
        for piece in pieces:
            x = [MARK, *piece, *seen[row, 1:kept]]
            y = [-1] * 3 + following[row, :kept].tolist()
            expected.append(tokens_log_p(request.model, own, x, y).mean())
        assert behind[at] == pytest.approx(np.mean(expected), rel=1e-4)
        of_text = tokens_log_p(request.model, own, seen[row, :kept], following[row, :kept])
        assert alone[at] == pytest.approx(of_text.mean(), rel=1e-4)


def test_prefixes_that_cannot_be() -> None:
    request = request_of(LENGTH)
    behind, _ = prefixed_signals(length=LENGTH)
    with pytest.raises(ValueError, match="a prefix of 6 tokens leaves no room for a sequence"):
        behind.take(request)
    nobody = request._replace(data=request.data._replace(reference=jnp.arange(0)))
    with pytest.raises(ValueError, match="examples that no model learns: set some aside"):
        behind.take(nobody)
    with pytest.raises(ValueError, match="prefixes must be an integer of at least 1, got 0"):
        prefixed_signals(prefixes=0)
    with pytest.raises(ValueError, match="share must lie between 0 and 1, got 2"):
        neighbour_signal(share=2.0)


def test_the_base_model_is_the_network_as_it_begins() -> None:
    request = request_of(2 * LENGTH)
    before, apart = (taken(signal, request) for signal in (BASE_TOKEN_LOG_PROB, BASE_DIVERGENCE))
    start = request.model.init(request.key, request.data.inputs(slice(0, 1)))
    seen, following = rows_of(TEXTS)
    for at, own, row in each(request):
        there = following[row] >= 0
        expected = tokens_log_p(request.model, start, seen[row], following[row])
        np.testing.assert_allclose(before[at][there], expected, rtol=1e-4)
        base, now = (log_softmax(request.model, one, seen[row]) for one in (start, own))
        divergence = (np.exp(base) * (base - now)).sum(axis=-1)
        np.testing.assert_allclose(apart[at][there], divergence[there], rtol=1e-3, atol=1e-5)
        assert not before[at][~there].any() and not apart[at][~there].any()
