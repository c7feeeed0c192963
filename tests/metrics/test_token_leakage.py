"""The leakage of each token, against a slow twin and planted tokens."""

import statistics

import numpy as np
import pytest

from pptp_jax.metrics import token_leakage

MODELS, EXAMPLES, TOKENS = 7, 5, 4
MEMBERSHIP = (np.arange(MODELS)[:, None] + np.arange(EXAMPLES)) % 2 == 0


def naive(log_p: np.ndarray, membership: np.ndarray, there: np.ndarray) -> np.ndarray:
    found = np.full(there.shape, np.nan)
    for x in range(len(there)):
        told = {}
        for t in np.flatnonzero(there[x]):
            sides = {True: [], False: []}
            for model, member in enumerate(membership[:, x].tolist()):
                sides[member].append(float(log_p[model, x, t]))
            gap = statistics.fmean(sides[True]) - statistics.fmean(sides[False])
            told[t] = gap, statistics.variance(sides[False])
        for t, (gap, variance) in told.items():
            typical = statistics.fmean(own for _, own in told.values())
            found[x, t] = gap / (0.5 * variance + 0.5 * typical) ** 0.5
    return found


def test_the_numbers_are_those_of_a_slow_twin(rng: np.random.Generator) -> None:
    log_p = -rng.exponential(size=(MODELS, EXAMPLES, TOKENS)).astype(np.float32)
    there = np.tri(EXAMPLES, TOKENS, dtype=bool)
    found = token_leakage(np.where(there, log_p, 0), MEMBERSHIP, there)
    assert there.sum() < there.size
    np.testing.assert_allclose(found.leakage, naive(log_p, MEMBERSHIP, there), rtol=1e-9)
    inside = np.where(MEMBERSHIP[..., None] & there, log_p, np.nan)[:, 2, 1]
    np.testing.assert_allclose(found.inside[2, 1], np.nanmean(inside), rtol=1e-6)
    assert np.isnan(found.outside[~there]).all() and np.isfinite(found.outside[there]).all()
    full = token_leakage(log_p, MEMBERSHIP).leakage
    np.testing.assert_allclose(full, naive(log_p, MEMBERSHIP, np.ones_like(there)), rtol=1e-9)


def test_the_token_that_only_members_know_gives_most_away(rng: np.random.Generator) -> None:
    membership = np.arange(64)[:, None] % 2 == np.arange(20) % 2
    log_p = rng.normal(-3, 1, (64, 20, 8))
    log_p[:, :, 5] += 3 * membership
    log_p[:, :, 6] = -1e-6 - 1e-8 * ~membership  # all know it, and nearly alike
    found = token_leakage(log_p, membership).leakage
    assert set(found.argmax(axis=1)) == {5}
    assert abs(found[:, 5].mean() - 3) < 0.2
    assert abs(found[:, 6]).max() < 1e-6
    # What leaks nothing varies as is said of it.
    assert abs(found[:, [0, 1, 2, 3, 4, 7]].std() - np.sqrt(1 / 32 + 1 / 32)) < 0.05


def test_what_too_few_models_say_is_unknown() -> None:
    log_p = -np.ones((3, 4, 2))
    members = np.array([[1, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]], bool)
    found = token_leakage(log_p, members)
    # One IN and two OUT models that all agree; one OUT; no IN; no OUT.
    np.testing.assert_array_equal(found.leakage[:, 0], [0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(found.inside[:, 0], [-1, -1, np.nan, -1])
    np.testing.assert_array_equal(found.outside[:, 0], [-1, -1, -1, np.nan])


def test_one_impossible_token_hides_no_other() -> None:
    log_p = -np.arange(1.0, 13).reshape(4, 1, 3)
    log_p[3, 0, 1] = -np.inf
    members = np.array([[True], [True], [False], [False]])
    found = token_leakage(log_p, members).leakage
    assert np.isnan(found[0, 1]) and np.isfinite(found[0, [0, 2]]).all()


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            ((3, 4), (3, 4), (4,)),
            r"shape \(models, examples, tokens\) .* got \(3, 4\) and \(3, 4\)",
        ),
        (((3, 4, 2), (4, 3), (4, 2)), r"first two of these, got \(3, 4, 2\) and \(4, 3\)"),
        (((3, 4, 2), (3, 4), (3, 2)), r"token_present must be .*, \(4, 2\), got \(3, 2\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes, message: str) -> None:
    log_p, members, there = shapes
    with pytest.raises(ValueError, match=message):
        token_leakage(np.zeros(log_p), np.ones(members, bool), np.ones(there, bool))
