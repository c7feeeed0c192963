"""The Bayesian privacy loss: published figures, closed forms by Monte Carlo, and naive twins."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from pptp_jax.metrics import auc, roc
from pptp_jax.privacy import (
    advantage_from_kl,
    bayesian_privacy_loss,
    gaussian_privacy_loss,
    loss_of_likelihoods,
    mean_privacy_loss,
    most_privacy_loss,
    regional_privacy_losses,
)
from pptp_jax.validation import Refused

# Twenty random gradients of 50 numbers, of deviation 0.3: the mean KL and JS at each noise.
GRADIENTS = 0.3 * np.random.default_rng(0).normal(size=(20, 50))
FIGURES = {
    0.1: (2.996, 0.593),
    0.5: (2.887, 0.575),
    1.0: (1.619, 0.343),
    3.0: (0.228, 0.055),
    10.0: (0.020, 0.005),
}


def naive(observed: np.ndarray, gradients: np.ndarray, s: float, prior: np.ndarray) -> np.ndarray:
    """The posterior, one density at a time."""
    weights = [
        p * math.prod(norm.pdf(o, g, s) for o, g in zip(observed, own, strict=True))
        for own, p in zip(gradients, prior, strict=True)
    ]
    return np.array(weights) / sum(weights)


@pytest.mark.parametrize("noise", FIGURES)
def test_the_figures_of_twenty_random_gradients(noise: float) -> None:
    expected = FIGURES[noise]
    for name, value in zip(("kl", "js"), expected, strict=True):
        found = mean_privacy_loss(GRADIENTS, noise, divergence=name, draws=4000)
        # The gradients are drawn again here, so their spread differs by some percent.
        assert found.value == pytest.approx(value, rel=0.04, abs=1e-3)
    kl = mean_privacy_loss(GRADIENTS, noise, draws=4000)
    assert kl.value <= math.log(20) + 1e-9
    assert kl.low <= most_privacy_loss(GRADIENTS, noise)
    assert mean_privacy_loss(GRADIENTS, noise, divergence="js").value <= math.log(2)


def test_the_bound_is_that_of_all_pairs() -> None:
    prior = np.random.default_rng(1).dirichlet(np.ones(20))
    pairs = sum(
        p * q * np.sum((a - b) ** 2)
        for p, a in zip(prior, GRADIENTS, strict=True)
        for q, b in zip(prior, GRADIENTS, strict=True)
    )
    assert most_privacy_loss(GRADIENTS, 10.0, prior) == pytest.approx(pairs / 200)
    assert most_privacy_loss(GRADIENTS, 0.1) == pytest.approx(math.log(20))


@given(st.integers(0, 2**31), st.floats(0.3, 3.0), st.integers(2, 5))
@settings(max_examples=40)
def test_posterior_and_divergences_are_those_of_a_naive_attacker(
    seed: int, noise: float, count: int
) -> None:
    rng = np.random.default_rng(seed)
    gradients, observed = rng.normal(size=(count, 3)) + 2, rng.normal(size=3) + 2
    prior = rng.dirichlet(np.ones(count))
    q = naive(observed, gradients, noise, prior)
    m = (q + prior) / 2
    expected = {
        "kl": np.sum(q * np.log(q / prior)),
        "js": np.sum(q * np.log(q / m) + prior * np.log(prior / m)) / 2,
        "max": np.abs(np.log(q / prior)).max(),
    }
    for name, value in expected.items():
        found = bayesian_privacy_loss(observed, gradients, noise, prior, name)
        np.testing.assert_allclose(found.posterior, q, rtol=1e-6, atol=1e-12)
        assert found.loss == pytest.approx(value, rel=1e-5, abs=1e-9)


def test_the_loss_of_gaussian_data_is_its_closed_form() -> None:
    """Many candidates drawn from a Gaussian prior stand for the prior itself."""
    rng = np.random.default_rng(0)
    for tau, s, d in ((1.0, 1.0, 1), (0.5, 1.0, 2), (2.0, 1.0, 1)):
        candidates = tau * rng.normal(size=(2000, d))
        found = mean_privacy_loss(candidates, s, draws=1000, seed=1)
        closed = gaussian_privacy_loss(tau, s, d)
        assert closed == d / 2 * math.log(1 + tau**2 / s**2)
        assert found.low - 0.02 < closed < found.high + 0.02


def test_gaussian_divergences_average_to_the_closed_form() -> None:
    """The same without candidates: the posterior of each observation is Gaussian, too."""
    rng, tau, s, d = np.random.default_rng(3), 1.5, 0.7, 6
    observed = tau * rng.normal(size=(20_000, d)) + s * rng.normal(size=(20_000, d))
    gain = tau**2 / (tau**2 + s**2)
    variance = s**2 * gain
    each = 0.5 * (variance / tau**2 + (gain * observed / tau) ** 2 - 1 - np.log(variance / tau**2))
    kl = each.sum(axis=1)
    error = 4 * kl.std() / len(kl) ** 0.5
    assert gaussian_privacy_loss(tau, s, d) == pytest.approx(kl.mean(), abs=error)


@pytest.mark.parametrize(
    ("noise", "entropy", "total"), [(1.0, 0.5817, 0.3829), (3.0, 0.6794, 0.1324)]
)
def test_two_candidates_are_membership(noise: float, entropy: float, total: float) -> None:
    """A bit with Gaussian noise: the information is log 2 less the attacker's cross-entropy."""
    bit = np.array([[0.0], [1.0]])
    found = mean_privacy_loss(bit, noise, draws=200_000)
    assert found.value == pytest.approx(math.log(2) - entropy, abs=8e-4)
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=200_000)
    observed = truth[:, None] + noise * rng.normal(size=(200_000, 1))
    posterior = bayesian_privacy_loss(observed, bit, noise).posterior
    guess = posterior.argmax(axis=1)
    advantage = guess[truth == 1].mean() - guess[truth == 0].mean()
    assert advantage == pytest.approx(total, abs=6e-3)
    assert advantage == pytest.approx(2 * norm.cdf(1 / (2 * noise)) - 1, abs=6e-3)
    # The logit of the posterior is the log-likelihood ratio.
    ratio = (observed[:, 0] - 0.5) / noise**2
    logit = np.log(posterior[:, 1] / posterior[:, 0])
    np.testing.assert_allclose(logit, ratio, atol=1e-9)
    area = auc(roc(posterior[:, 1], truth == 1))
    assert area == pytest.approx(norm.cdf(1 / (noise * 2**0.5)), abs=5e-3)
    # Pinsker: the advantage stays below what the divergence of the two sides allows.
    assert total <= advantage_from_kl(1 / (2 * noise**2))
    assert 1 - entropy / math.log(2) <= total <= math.sqrt(2 * (math.log(2) - entropy))


def test_the_posterior_is_calibrated() -> None:
    """Of the candidates that are believed with probability q, a share q is true."""
    rng = np.random.default_rng(0)
    prior = rng.dirichlet(np.ones(20))
    truth = rng.choice(20, 40_000, p=prior)
    observed = GRADIENTS[truth] + rng.normal(size=(40_000, 50))
    posterior = bayesian_privacy_loss(observed, GRADIENTS, 1.0, prior).posterior
    right = np.arange(20) == truth[:, None]
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        chosen = (posterior >= low) & (posterior < low + 0.2)
        error = 4 / (4 * chosen.sum()) ** 0.5
        assert right[chosen].mean() == pytest.approx(posterior[chosen].mean(), abs=error)
    # No guess is right more often than the largest entry says.
    guessed = right[np.arange(40_000), posterior.argmax(axis=1)].mean()
    assert guessed == pytest.approx(posterior.max(axis=1).mean(), abs=0.01)


@given(st.integers(0, 2**31), st.floats(0.1, 4.0))
@settings(max_examples=40)
def test_a_private_release_bounds_every_divergence(seed: int, epsilon: float) -> None:
    """Laplace noise of scale 1/ε on numbers in [0, 1]: |log q/p| and KL are at most ε."""
    rng = np.random.default_rng(seed)
    values, prior = rng.random(6), rng.dirichlet(np.ones(6))
    observed = rng.choice(values, 50) + rng.laplace(scale=1 / epsilon, size=50)
    likelihoods = -epsilon * np.abs(observed[:, None] - values)
    for name in ("max", "kl"):
        assert (loss_of_likelihoods(likelihoods, prior, name).loss <= epsilon + 1e-9).all()


def test_a_release_that_depends_on_nothing_moves_no_belief() -> None:
    prior = np.array([0.2, 0.3, 0.5, 0.0])
    constant = np.broadcast_to(np.arange(5.0), (4, 5))
    for name in ("kl", "js", "max"):
        found = bayesian_privacy_loss(np.zeros(5), constant, 0.1, prior, name)
        np.testing.assert_allclose(found.posterior, prior)
        assert found.loss == pytest.approx(0, abs=1e-12)


def test_regions_add_up_in_likelihood() -> None:
    rng = np.random.default_rng(0)
    sent = {"stem": rng.normal(size=(3, 4)), "head": rng.normal(size=(3, 2))}
    gradients = {"stem": rng.normal(size=(5, 4)), "head": rng.normal(size=(5, 2))}
    found = regional_privacy_losses(sent, gradients, {"stem": 0.5, "head": 2.0})
    joined = [np.concatenate([own["stem"], own["head"]], axis=1) for own in (sent, gradients)]
    noise = np.array([0.5] * 4 + [2.0] * 2)
    whole = bayesian_privacy_loss(*joined, noise)
    np.testing.assert_allclose(found["all"].posterior, whole.posterior, rtol=1e-9)
    np.testing.assert_allclose(found["all"].loss, whole.loss, rtol=1e-9)
    alone = bayesian_privacy_loss(sent["head"], gradients["head"], 2.0)
    np.testing.assert_allclose(found["head"].loss, alone.loss)


def test_long_gradients_lose_no_digits() -> None:
    far = 1e6 + np.array([[0.0], [1.0]])
    found = bayesian_privacy_loss(np.array([1e6]), far, 1.0)
    np.testing.assert_allclose(found.posterior, naive(np.zeros(1), far - 1e6, 1.0, np.ones(2)))


def test_bad_input_is_refused() -> None:
    two = np.array([[0.0], [1.0]])
    with pytest.raises(Refused, match="noise_std must be above 0"):
        bayesian_privacy_loss(np.zeros(1), two, 0.0)
    with pytest.raises(Refused, match=r"as many numbers, got \(3,\), \(2, 1\)"):
        bayesian_privacy_loss(np.zeros(3), two, 1.0)
    with pytest.raises(Refused, match="prior must be 2 probabilities that sum to 1"):
        bayesian_privacy_loss(np.zeros(1), two, 1.0, np.array([0.5, 0.6]))
    with pytest.raises(Refused, match="divergence 'tv' is unknown"):
        loss_of_likelihoods(np.zeros(2), divergence="tv")  # type: ignore[arg-type]
    with pytest.raises(Refused, match="at least two candidates"):
        loss_of_likelihoods(np.zeros(1))
    with pytest.raises(Refused, match="must have the same regions, none of them called 'all'"):
        regional_privacy_losses({"a": np.zeros(1)}, {"b": two}, {"a": 1.0})
    with pytest.raises(Refused, match="signal_std must"):
        gaussian_privacy_loss(-1.0, 1.0, 1)


@pytest.mark.parametrize("divergence", ["kl", "js", "max"])
def test_what_is_no_number_is_no_loss_of_zero(divergence) -> None:
    two = np.array([[0.0], [1.0]])
    for observed in (np.nan, np.inf):
        with pytest.raises(Refused, match="likelihoods are not finite: observed is not"):
            bayesian_privacy_loss(np.array([observed]), two, 1.0, divergence=divergence)
    with pytest.raises(Refused, match="or noise_std is too small"):
        bayesian_privacy_loss(np.ones(1), two, 1e-300, divergence=divergence)
    with pytest.raises(Refused, match="candidate_gradients"):
        bayesian_privacy_loss(np.ones(1), np.array([[np.nan], [1.0]]), 1.0, divergence=divergence)
    for wrong in ([np.nan, 0.0], [np.inf, 0.0], [-np.inf, -np.inf]):
        with pytest.raises(Refused, match="log_likelihoods must be below infinity, one"):
            loss_of_likelihoods(np.array(wrong), divergence=divergence)
    with pytest.raises(Refused, match="one that the prior allows finite"):
        loss_of_likelihoods(np.array([-np.inf, 0.0]), np.array([1.0, 0.0]), divergence=divergence)
    sure = loss_of_likelihoods(np.array([-np.inf, 0.0]), divergence=divergence)
    np.testing.assert_array_equal(sure.posterior, [0.0, 1.0])
    assert sure.loss > 0.2


def test_bounds_need_noise_and_candidates() -> None:
    for wrong in (0.0, -1.0):
        with pytest.raises(Refused, match="noise_std must be above 0"):
            most_privacy_loss(np.array([[0.0], [1.0]]), wrong)
    with pytest.raises(Refused, match=r"candidate_gradients .* got \(2,\)"):
        most_privacy_loss(np.zeros(2), 1.0)
    with pytest.raises(Refused, match="noise_std must be one number, or one for each of 1"):
        bayesian_privacy_loss(np.zeros(1), np.array([[0.0], [1.0]]), np.ones(2))
