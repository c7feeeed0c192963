"""Extraction from what is known of tokens, against text that was generated."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.audit import (
    extracted_in_tries,
    greedily_extracted,
    suffix_log_prob,
    tries_to_extract,
)
from pptp_jax.models import Sampling, Variables, generate, gpt, sampling_log_probs
from pptp_jax.tasks.language import token_first, token_log_prob

VOCAB = 5
MODEL = gpt(vocab=VOCAB, width=8, depth=1, heads=2, context=8)


@pytest.fixture(scope="module")
def variables() -> Variables:
    """Sharper than at the beginning, so that choices differ from text to text."""
    made = MODEL.init(jax.random.key(0), jnp.zeros((1, 8), jnp.int32))
    return made._replace(params=jax.tree.map(lambda leaf: 12 * leaf, made.params))


@pytest.fixture(scope="module")
def text(variables: Variables) -> np.ndarray:
    """Records of seven tokens; half of them go on from their first three as the model would."""
    given = jax.random.randint(jax.random.key(1), (40, 7), 0, VOCAB)
    write = jax.jit(partial(generate, MODEL.answering(variables), tokens=4))
    written = jnp.concatenate([given[:, :3], write(given[:, :3])], axis=1)
    return np.array(jnp.where(jnp.arange(40)[:, None] < 20, written, given))


def answers(variables: Variables, ids: np.ndarray) -> jax.Array:
    return jax.jit(MODEL.answering(variables))(jnp.asarray(ids))


def test_generation_is_a_plain_loop(variables: Variables, text: np.ndarray) -> None:
    model = jax.jit(MODEL.answering(variables))
    known = text[:20, :3]
    for _ in range(4):  # the model sees only what there is
        padded = np.pad(known, ((0, 0), (0, 8 - known.shape[1])))
        chosen = np.asarray(model(padded))[:, known.shape[1] - 1].argmax(axis=-1)
        known = np.concatenate([known, chosen[:, None]], axis=1)
    np.testing.assert_array_equal(text[:20], known)
    assert len(np.unique(known[:, 3:], axis=0)) > 5


def test_greedy_extraction_needs_no_generation(variables: Variables, text: np.ndarray) -> None:
    scores = answers(variables, text[:, :-1])
    following = jnp.asarray(text[:, 1:])
    first = np.asarray(token_first(scores, following))
    there = np.ones_like(first)
    for prefix in (1, 2, 4):  # tokens seen, of which the first is not among those that follow
        write = jax.jit(partial(generate, MODEL.answering(variables), tokens=7 - prefix))
        reproduced = (write(jnp.asarray(text[:, :prefix])) == text[:, prefix:]).all(axis=1)
        found = greedily_extracted(first, there, prefix - 1)
        np.testing.assert_array_equal(found, reproduced)
    assert found[:20].all() and not found[20:].all()
    assert not greedily_extracted(first, there, prefix=6).any()


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.7, top_k=3)])
def test_extraction_by_chance_is_what_sampling_finds(
    variables: Variables, text: np.ndarray, sampling: Sampling
) -> None:
    """A suffix of two tokens, 4,000 tries from each of ten prefixes."""
    records, tries = text[15:25, :5], 4000
    scores = answers(variables, records[:, :-1])
    drawn = sampling_log_probs(scores, sampling)
    following = jnp.asarray(records[:, 1:])
    log_p = np.asarray(jnp.take_along_axis(drawn, following[..., None], axis=-1)[..., 0])
    if sampling == Sampling():
        np.testing.assert_allclose(log_p, token_log_prob(scores, following), atol=1e-5)
    log_prob = suffix_log_prob(log_p, np.ones_like(log_p, bool), prefix=2)
    prompts = jnp.repeat(jnp.asarray(records[:, :3]), tries, axis=0)
    write = jax.jit(partial(generate, MODEL.answering(variables), tokens=2, sampling=sampling))
    written = np.asarray(write(prompts, key=jax.random.key(3))).reshape(10, tries, 2)
    hits = (written == records[:, None, 3:]).all(axis=-1)
    p = np.exp(log_prob)
    assert (np.abs(hits.mean(axis=1) - p) <= 5 * np.sqrt(p * (1 - p) / tries) + 1e-9).all()
    assert 0.02 < p[p > 0].min() + 0.02 and p.max() > 0.3
    # Of 100 rounds of 40 tries, how many have a hit?
    rounds = hits.reshape(10, 100, 40).any(axis=-1).mean(axis=1)
    clear = np.abs(1 - (1 - p) ** 40 - 0.5) > 0.2
    found = extracted_in_tries(log_prob, tries=40, probability=0.5)
    np.testing.assert_array_equal(found[clear], rounds[clear] >= 0.5)
    assert clear.sum() >= 5


def test_tries_are_counted_in_log_space() -> None:
    p = np.array([0.9, 0.5, 1e-3, 1e-12])
    with np.errstate(divide="ignore"):
        plain = np.log(1 - 0.75) / np.log1p(-p)
    np.testing.assert_allclose(tries_to_extract(np.log(p), 0.75), plain, rtol=1e-9)
    np.testing.assert_allclose(
        np.log(tries_to_extract(np.array([-600.0]))), 600 + np.log(np.log(2))
    )
    assert tries_to_extract(np.array([-2000.0, 0.0, -np.inf])).tolist() == [np.inf, 0.0, np.inf]
    # p itself would be 0 here, and 1 − p would be 1.
    assert extracted_in_tries(np.array([-800.0, -20.0, -1e-20]), tries=10**9).tolist() == [
        False,
        True,
        True,
    ]
    assert extracted_in_tries(np.array([-800.0]), tries=10**350)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: extracted_in_tries(np.array([0.1]), 1), "logarithms of probabilities, at most 0"),
        (lambda: extracted_in_tries(np.array([-1.0]), 0), "tries must be an integer of at"),
        (lambda: tries_to_extract(np.array([-1.0]), 1.0), "between 0 and 1, both excluded, got 1"),
        (
            lambda: suffix_log_prob(np.zeros((2, 3)), np.ones((3, 2), bool)),
            r"the shape of what is known of the tokens, \(2, 3\), got \(3, 2\)",
        ),
        (lambda: generate(lambda x: x, jnp.zeros((2, 0), int), 1), "one token or more"),
        (
            lambda: generate(lambda x: x, jnp.zeros((1, 1), int), 1, sampling=Sampling()),
            "sampling needs a key",
        ),
        (lambda: sampling_log_probs(jnp.zeros(3), Sampling(top_k=4)), "at most the 3 tokens"),
        (lambda: Sampling(temperature=0.0), "temperature must be"),
        (lambda: Sampling(top_k=0), "top_k must be an integer of at least 1"),
    ],
)
def test_what_cannot_be_extracted_or_written(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
