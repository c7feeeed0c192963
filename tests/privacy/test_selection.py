"""Private selection: against dp-accounting, and the exact divergence of small mechanisms."""

import math

import dp_accounting as dp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from pptp_jax.privacy import (
    Ledger,
    PoissonSampling,
    RandomTrials,
    ShuffledBatches,
    epsilon,
    private_selection,
    selected_rdp,
)
from pptp_jax.regions import RegionMap
from pptp_jax.transforms import RegionClip

CLIP = RegionClip(RegionMap.from_rules([(".*", "protect")]), "protect", max_norm=1.0)
ORDERS = np.array([1.5, 2, 3, 5, 8, 16, 32, 64, 128, 256.0])
SHAPES = (0.0, 0.5, 1.0, 2.0, math.inf)
MEANS = st.floats(1.05, 200)


def run(noise: float = 1.0, **sampling: float) -> Ledger:
    drawn = PoissonSampling(**({"rate": 0.01, "steps": 500} | sampling))
    return Ledger.of(CLIP, noise_multiplier=noise, sampling=drawn, statistics="none")


def probabilities(trials: RandomTrials, most: int = 6000) -> np.ndarray:
    """Pr[K = k] of k = 0, 1, ..., term by term from the definitions."""
    eta = trials.shape
    if eta == math.inf:
        logs = np.array([k * math.log(trials.mean) - math.lgamma(k + 1) for k in range(most)])
        return np.exp(logs - trials.mean)
    gamma, weights, term = trials.gamma, [0.0], 1.0
    for k in range(1, most):
        # Relative to the first: the terms of (1 − γ)^k Γ(k + η) / k!.
        weights.append(term)
        term *= (1 - gamma) * (k + eta) / (k + 1)
    return np.array(weights) / sum(weights)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mean", [1.2, 5, 40])
def test_the_distribution_has_the_mean_that_it_claims(shape: float, mean: float) -> None:
    trials = RandomTrials(mean=mean, shape=shape)
    found = probabilities(trials)
    assert found.sum() == pytest.approx(1, abs=1e-6)
    assert found @ np.arange(len(found)) == pytest.approx(mean, rel=1e-3)
    drawn = np.array([trials.draw(seed) for seed in range(2000)])
    assert abs(drawn.mean() - mean) < 5 * drawn.std() / math.sqrt(2000)
    assert drawn.min() >= (0 if shape == math.inf else 1)


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=30, deadline=None)
@given(mean=MEANS, noise=st.floats(0.5, 20))
def test_it_is_what_dp_accounting_finds(shape: float, mean: float, noise: float) -> None:
    rdp = ORDERS / (2 * noise**2)
    accountant = dp.rdp.RdpAccountant(ORDERS.tolist())
    event = dp.GaussianDpEvent(noise)
    accountant.compose(dp.dp_event.RepeatAndSelectDpEvent(event, mean, shape))
    found = selected_rdp(ORDERS, rdp, RandomTrials(mean=mean, shape=shape))
    np.testing.assert_allclose(found, accountant.rdp, rtol=1e-6)


def divergence(p: np.ndarray, q: np.ndarray, order: float) -> float:
    return float(logsumexp(order * np.log(p) + (1 - order) * np.log(q)) / (order - 1))


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=25, deadline=None)
@given(
    mean=st.floats(1.05, 20),
    one=st.lists(st.floats(0.1, 1), min_size=4, max_size=4),
    other=st.lists(st.floats(0.1, 1), min_size=4, max_size=4),
)
def test_the_best_of_some_runs_diverges_no_more_than_claimed(
    shape: float, mean: float, one: list[float], other: list[float]
) -> None:
    trials = RandomTrials(mean=mean, shape=shape)
    number = probabilities(trials, most=1500)
    p, q = (np.array(weights) / sum(weights) for weights in (one, other))

    def best(outputs: np.ndarray) -> np.ndarray:
        below = np.minimum(np.concatenate([[0.0], np.cumsum(outputs)]), 1.0)
        reached = np.array([np.sum(number * f ** np.arange(len(number))) for f in below])
        # What no trial gives is an outcome of its own.
        return np.append(np.diff(reached), number[0])

    rdp = np.array([max(divergence(p, q, a), divergence(q, p, a)) for a in ORDERS])
    claimed = selected_rdp(ORDERS, rdp, trials)
    kept = best(p) > 0
    a, b = best(p)[kept], best(q)[kept]
    exact = np.array([max(divergence(a, b, x), divergence(b, a, x)) for x in ORDERS[:6]])
    assert (exact <= claimed[:6] + 1e-9).all()


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=25, deadline=None)
@given(
    means=st.tuples(MEANS, MEANS),
    rdp=st.lists(st.floats(1e-3, 5), min_size=10, max_size=10).map(np.array).map(np.cumsum),
)
def test_more_trials_never_cost_less(shape: float, means: tuple[float, float], rdp) -> None:
    few, many = (RandomTrials(mean=mean, shape=shape) for mean in sorted(means))
    least, most = selected_rdp(ORDERS, rdp, few), selected_rdp(ORDERS, rdp, many)
    assert (rdp <= least).all() and (least <= most + 1e-9).all()


def test_one_trial_is_no_selection() -> None:
    for shape in SHAPES[:-1]:
        one = RandomTrials(mean=1, shape=shape)
        assert one.draw(seed=3) == 1
        np.testing.assert_array_equal(selected_rdp(ORDERS, ORDERS, one), ORDERS)
        chosen = private_selection(run(), delta=1e-5, trials=one)
        assert chosen.epsilon == epsilon(run(), delta=1e-5, accountant="rdp").epsilon
        assert str(chosen) == str(epsilon(run(), delta=1e-5, accountant="rdp"))


def test_the_worst_candidate_counts_at_each_order() -> None:
    trials = RandomTrials(mean=10)
    loud, quiet = run(noise=2.0), run(noise=1.0)
    both = private_selection([[loud], [quiet]], delta=1e-5, trials=trials)
    assert both == private_selection(quiet, delta=1e-5, trials=trials)
    assert both.epsilon > private_selection(loud, delta=1e-5, trials=trials).epsilon
    twice = private_selection([[quiet, quiet]], delta=1e-5, trials=trials)
    assert twice.epsilon > both.epsilon


def test_every_trial_may_outgrow_its_padding() -> None:
    padded = run(overflow=1e-10)
    found = private_selection(padded, delta=1e-5, trials=RandomTrials(mean=10))
    assert found.overflow == pytest.approx(10 * 500 * 1e-10)
    with pytest.raises(ValueError, match="outgrows its padding with a probability of up to 5e-05"):
        private_selection(padded, delta=1e-5, trials=RandomTrials(mean=1000))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": 0.5}, "the mean number of trials must be finite, at least 1, got 0.5"),
        ({"mean": math.inf}, "the mean number of trials must be finite"),
        ({"mean": 2, "shape": -0.5}, "shape must be"),
        ({"mean": 2, "shape": math.nan}, "shape must be"),
    ],
)
def test_what_no_number_of_trials_can_be(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomTrials(**change)


def test_what_no_selection_can_be() -> None:
    trials = RandomTrials(mean=3)
    with pytest.raises(ValueError, match="needs at least one candidate, got none"):
        private_selection([], delta=1e-5, trials=trials)
    sampling = ShuffledBatches(batch_size=10, dataset_size=1000, steps=100)
    dealt = Ledger.of(CLIP, noise_multiplier=1.0, sampling=sampling, statistics="none")
    with pytest.raises(ValueError, match=r"one relation .* one example added or removed and one"):
        private_selection([[run()], [dealt]], delta=1e-5, trials=trials)
    with pytest.raises(ValueError, match="this run has no ε: the treatment"):
        private_selection([[Ledger(region_map=CLIP.region_map)]], delta=1e-5, trials=trials)
    with pytest.raises(ValueError, match="needs an RDP for each order above 1, got orders"):
        selected_rdp(np.array([1.0, 2.0]), np.array([1.0, 2.0]), trials)
