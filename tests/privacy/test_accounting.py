"""epsilon: against closed forms, jax_privacy and published tables; and when it refuses."""

import logging
import math
import sys

import pytest
from dp_accounting.gaussian_mechanism import get_epsilon_gaussian
from hypothesis import given, settings
from hypothesis import strategies as st
from jax_privacy.accounting import accountants, analysis

from pptp_jax.privacy import Ledger, PoissonSampling, ShuffledBatches, epsilon
from pptp_jax.regions import RegionMap
from pptp_jax.transforms import RegionClip

REGIONS = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
CLIP = RegionClip(REGIONS, "protect", 1.0)


def private(noise, sampling):
    return Ledger.of(
        CLIP, noise_multiplier=noise, sampling=sampling, frozen=("general",), statistics="none"
    )


def poisson(noise, rate, steps):
    return private(noise, PoissonSampling(rate=rate, steps=steps))


def shuffled(noise, steps, batch_size=100, dataset_size=1000):
    sizes = {"batch_size": batch_size, "dataset_size": dataset_size}
    return private(noise, ShuffledBatches(**sizes, steps=steps))


@pytest.mark.parametrize("noise", [0.01, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("epochs", [1, 10])
def test_shuffled_epochs_are_gaussian_mechanisms(noise, epochs):
    exact = get_epsilon_gaussian(noise / math.sqrt(epochs), 1e-5)
    bound = epsilon(shuffled(noise, 10 * epochs), delta=1e-5)
    assert bound.epsilon == pytest.approx(exact, rel=1e-3)
    assert bound.epsilon >= exact * (1 - 1e-9)
    assert bound.neighbours == "one example's gradients set to zero"


@pytest.mark.parametrize(
    ("accountant", "config"),
    [("pld", accountants.PldAccountantConfig), ("rdp", accountants.RdpAccountantConfig)],
)
def test_poisson_sampling_agrees_with_jax_privacy(accountant, config):
    theirs = analysis.DpsgdTrainingAccountant(config()).compute_epsilon(
        500,
        analysis.DpParams(
            noise_multipliers=1.2,
            num_samples=5000,
            delta=1e-6,
            batch_size=100,
        ),
    )
    sampling = PoissonSampling.of(batch_size=100, dataset_size=5000, steps=500)
    ours = epsilon(private(1.2, sampling), delta=1e-6, accountant=accountant)
    assert ours.epsilon == pytest.approx(theirs, rel=1e-3)
    assert ours.neighbours == "one example added or removed"


# Bu et al., "Deep Learning with Gaussian Differential Privacy", arXiv 1911.11607, on MNIST with
# batches of 256 at δ 1e-5: the moments accountant is an upper bound, the central limit an estimate.
@pytest.mark.parametrize(
    ("noise", "epochs", "moments", "limit"), [(1.3, 15, 1.19, 0.83), (1.1, 60, 3.01, 2.32)]
)
def test_published_values_enclose_ours(noise, epochs, moments, limit):
    sampling = PoissonSampling.of(batch_size=256, dataset_size=60_000, steps=epochs * 60_000 // 256)
    tight = epsilon(private(noise, sampling), delta=1e-5).epsilon
    loose = epsilon(private(noise, sampling), delta=1e-5, accountant="rdp").epsilon
    assert limit < tight < loose < moments


def test_the_bound_of_abadi_et_al_holds():
    # Section 4 of arXiv 1607.00133: q = 0.01, σ = 4, 10,000 steps, δ = 1e-5 give ε about 1.26.
    bound = epsilon(poisson(4.0, 0.01, 10_000), delta=1e-5).epsilon
    assert 0.9 < bound < 1.26


@settings(max_examples=4, deadline=None)
@given(
    noise=st.floats(0.6, 5),
    rate=st.floats(0.001, 0.5),
    steps=st.integers(1, 300),
    delta=st.floats(1e-7, 1e-3),
)
def test_more_noise_less_and_more_data_more(noise, rate, steps, delta):
    def bound(noise, rate, steps, delta):
        return epsilon(poisson(noise, rate, steps), delta=delta, accountant="rdp").epsilon

    here = bound(noise, rate, steps, delta)
    assert bound(noise * 1.5, rate, steps, delta) <= here
    assert bound(noise, rate, steps, delta / 10) >= here
    assert bound(noise, rate, steps * 2, delta) >= here
    assert bound(noise, min(1.0, rate * 1.5), steps, delta) >= here


def test_shuffled_batches_do_not_get_the_small_epsilon_of_poisson_sampling():
    sizes = {"batch_size": 100, "dataset_size": 10_000, "steps": 300}
    sampled = epsilon(private(1.0, PoissonSampling.of(**sizes)), delta=1e-5)
    dealt = epsilon(private(1.0, ShuffledBatches(**sizes)), delta=1e-5)
    assert dealt.epsilon > 3 * sampled.epsilon


def test_phases_compose():
    def bound(*phases):
        return epsilon(phases, delta=1e-5, accountant="rdp")

    one, two = poisson(1.0, 0.01, 100), poisson(1.0, 0.01, 400)
    whole = bound(poisson(1.0, 0.01, 500)).epsilon
    assert bound(one, two).epsilon == pytest.approx(whole, rel=1e-9)
    mixed = bound(one, shuffled(1.0, 10))
    assert mixed.epsilon > bound(shuffled(1.0, 10)).epsilon
    assert mixed.neighbours == "one example's gradients set to zero"


def test_a_model_that_never_moves_tells_nothing():
    still = Ledger(region_map=REGIONS, frozen=("protect", "general"), statistics="none")
    assert epsilon(still, delta=1e-5).epsilon == 0


def test_little_noise_gives_a_large_epsilon_in_little_memory():
    assert 1e3 < epsilon(poisson(0.02, 0.5, 100), delta=1e-5).epsilon < math.inf


def test_noise_on_one_region_alone_has_no_epsilon():
    sampling = PoissonSampling(rate=0.01, steps=10)
    ledger = Ledger.of(CLIP, noise_multiplier=1.0, sampling=sampling, statistics="none")
    with pytest.raises(
        ValueError,
        match=r"no ε: region 'general' was trained in the clear, and "
        r"the noise on 'protect' does not cover it: freeze it at public values",
    ):
        epsilon(ledger, delta=1e-5)


def test_one_leaking_phase_spoils_the_run():
    leaking = Ledger(region_map=REGIONS, clear=("general",), frozen=("protect",), statistics="none")
    with pytest.raises(ValueError, match="'general' was trained in the clear"):
        epsilon([poisson(1.0, 0.01, 10), leaking], delta=1e-5)


def test_a_run_that_does_not_know_is_refused():
    with pytest.raises(ValueError, match=r"'protect' is unknown; .* 'general' is unknown; the"):
        epsilon(Ledger(region_map=REGIONS), delta=1e-5)


@pytest.mark.parametrize(
    ("phases", "options", "message"),
    [
        ([], {"delta": 1e-5}, "at least one phase, got none"),
        (poisson(1.0, 0.1, 1), {"delta": 0.0}, "between 0 and 1, both excluded, got 0.0"),
        (poisson(1.0, 0.1, 1), {"delta": 1e-5, "accountant": "gdp"}, "'gdp' is unknown"),
    ],
)
def test_wrong_arguments_are_refused(phases, options, message):
    with pytest.raises(ValueError, match=message):
        epsilon(phases, **options)


def test_a_missing_dp_accounting_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(ImportError, match=r"dp-accounting.*pip install .pptp-jax\[dp\]"):
        epsilon(poisson(1.0, 0.1, 1), delta=1e-5)


def test_orders_that_the_accountant_leaves_out_are_not_the_users_business(caplog):
    bound = epsilon(poisson(1.0, 0.2, 10), delta=3e-4)
    assert bound.epsilon > 0 and not caplog.records
    logging.getLogger("absl").warning("others are heard")
    assert len(caplog.records) == 1
