"""ε beside every private result: what its bound is, and where there is none."""

import sys
from dataclasses import asdict, replace

import dp_accounting as dp
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from pptp_jax.data import Balanced, Digits
from pptp_jax.evaluation import RunResults
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.fleets import FleetSignals
from pptp_jax.models import mlp
from pptp_jax.objectives import TaskLoss
from pptp_jax.privacy import PoissonSampling
from pptp_jax.report import render_table
from pptp_jax.study import Study
from pptp_jax.study.guarantee import guarantee, ledger
from pptp_jax.study.rows import row
from pptp_jax.training import (
    Ensemble,
    Phase,
    Poisson,
    Private,
    Recipe,
    RewindWeights,
    Trainer,
    dp_sgd,
    selena,
    undefended,
)

MODEL = mlp([8], num_classes=10)
PRIVATE = Private(noise_multiplier=2.0)


def gaussian(multiplier: float, delta: float) -> float:
    """The exact ε of one Gaussian mechanism (Balle and Wang, ICML 2018, theorem 5)."""

    def excess(eps: float) -> float:
        first = norm.cdf(0.5 / multiplier - eps * multiplier)
        return first - np.exp(eps) * norm.cdf(-0.5 / multiplier - eps * multiplier) - delta

    return brentq(excess, 0.0, 50.0)


def test_epochs_and_phases_compose_to_one_gaussian_mechanism() -> None:
    """An example is in one batch an epoch: E epochs are one mechanism of multiplier σ/√E."""
    known = gaussian(2.0 / 4**0.5, 1 / 5000)
    found = guarantee(dp_sgd(PRIVATE, epochs=4), MODEL, members=500, batch_size=50)
    assert found is not None and found.delta == 1 / 5000
    assert known <= found.epsilon < 1.01 * known
    phase = Phase(epochs=1, objectives=TaskLoss(), gradient=PRIVATE)
    frozen = replace(phase, epochs=3, frozen=("protect",))
    both = Recipe(name="both", phases=(phase, frozen), region="stem")
    again = guarantee(both, MODEL, 500, 50)
    assert again is not None and again.epsilon == pytest.approx(found.epsilon, rel=1e-6)


def test_a_phase_in_the_clear_leaves_no_epsilon() -> None:
    plain = Phase(epochs=1, objectives=TaskLoss())
    private = replace(plain, gradient=PRIVATE)
    for recipe in (
        undefended(1),
        selena(1, 1, Ensemble(models=3, left_out=1)),
        Recipe(name="before", phases=(plain, private)),
        Recipe(name="behind", phases=(private, plain)),
        dp_sgd(Private(noise_multiplier=0.0), epochs=1),
    ):
        assert guarantee(recipe, MODEL, 500, 50) is None


def accounted(multiplier: float, rate: float, steps: int, delta: float) -> float:
    """dp-accounting's ε of the subsampled Gaussian, said by nobody but its own events."""
    sampled = dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(multiplier))
    accountant = dp.pld.PLDAccountant(value_discretization_interval=1e-4)
    return accountant.compose(sampled, steps).get_epsilon(delta)


@pytest.mark.parametrize("rates", [None, np.array([0.1] * 499 + [0.2])])
def test_poisson_batches_have_the_epsilon_of_their_event(rates: np.ndarray | None) -> None:
    recipe = dp_sgd(PRIVATE, epochs=4, batches=Poisson(rate=rates))
    found = guarantee(recipe, MODEL, members=500, batch_size=50)
    shuffled = guarantee(dp_sgd(PRIVATE, epochs=4), MODEL, members=500, batch_size=50)
    known = accounted(2.0, 0.1 if rates is None else 0.2, 40, 1 / 5000)
    assert found is not None and shuffled is not None
    assert found.epsilon == pytest.approx(known, rel=1e-4)
    assert found.epsilon < (1 if rates is None else 1.1) * shuffled.epsilon / 1.5
    assert found.neighbours == "one example added or removed"
    assert found.overflow == pytest.approx(40 * 1e-16) and found.overflow < 1e-6 * found.delta
    assert "δ includes 4e-15 for batches that outgrow their padding" in str(found)


def test_the_ledger_says_what_the_trainer_draws_by() -> None:
    recipe = dp_sgd(PRIVATE, epochs=4, batches=Poisson(rate=0.03, overflow=1e-9))
    [phase] = recipe.phases
    drawing = Trainer(MODEL, None, 50).drawing(phase, 500)
    sampling = ledger(phase, recipe, MODEL, 500, 50).sampling
    assert isinstance(sampling, PoissonSampling)
    assert (sampling.rate, sampling.overflow) == (drawing.rate, drawing.overflow)
    assert sampling.steps == 4 * drawing.steps and drawing.expected == 500 * sampling.rate
    # As a number of float32 that has 23 random bits is below the rate.
    assert sampling.rate == np.ceil(0.03 * 2**23) / 2**23 == np.float32(sampling.rate)


def test_overflow_is_part_of_delta_or_leaves_none() -> None:
    def found(overflow: float, members: int = 500):
        recipe = dp_sgd(PRIVATE, epochs=4, batches=Poisson(overflow=overflow))
        return guarantee(recipe, MODEL, members, members // 10)

    loose, tight = found(1e-6), found(1e-16)
    assert loose is not None and tight is not None
    assert loose.epsilon > tight.epsilon and loose.delta == tight.delta
    assert loose.epsilon == pytest.approx(accounted(2.0, 0.1, 40, 1 / 5000 - 4e-5), rel=1e-4)
    with pytest.raises(ValueError, match=r"probability of up to 4e-05, which delta must exceed"):
        found(1e-6, members=5000)
    no_cut = dp_sgd(PRIVATE, epochs=1, batches=Poisson())
    assert guarantee(no_cut, MODEL, members=10, batch_size=5).overflow == 0  # ten places


def test_phases_on_reference_examples_alone_spend_nothing() -> None:
    first = Phase(epochs=3, objectives=TaskLoss(), examples="reference")
    private = dp_sgd(PRIVATE, epochs=4)
    both = Recipe(name="both", phases=(first, *private.phases))
    assert guarantee(both, MODEL, 500, 50) == guarantee(private, MODEL, 500, 50)
    assert guarantee(Recipe(name="public", phases=(first,)), MODEL, 500, 50) is None
    weights = Recipe(
        name="weights", phases=(replace(first, start=(RewindWeights(share=0.1),)), *private.phases)
    )
    assert guarantee(weights, MODEL, 500, 50) is None


def test_a_row_has_it_and_the_table_prints_it(monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(
        name="private",
        data=Digits(),
        model=MODEL,
        split=Balanced(models=2),
        batch_size=25,
        resamples=5,
        attacks=("loss",),
        recipes=(undefended(1), dp_sgd(PRIVATE, epochs=1)),
    )
    membership = study.split.draw(100, 0)
    shown = FleetSignals(
        {
            "confidence": np.random.default_rng(0).normal(size=(2, 1, 100)).astype(np.float32),
            "utility": np.ones((2, 100), bool),
            "loss": np.ones((2, 1), np.float32),
            "finite": np.ones(2, bool),
        }
    )
    seen = attacked(shown, membership, study.attacks)

    def rows():
        return [row(study, recipe, shown, seen, members=50) for recipe in study.recipes]

    def table(rows) -> str:
        data = {"name": "d", "examples": 100, "classes": 10}
        about = {"study": "s", "data": data, "models": 2, "members": 50, "targets": 2}
        return render_table(RunResults(rows=tuple(rows), **about))

    known = guarantee(study.recipes[1], MODEL, 50, 25)
    assert known is not None
    plain, private = rows()
    assert plain.epsilon is None
    assert private.epsilon == asdict(known) and known.delta == 1 / 500
    assert f"note: dp_sgd_1_noise_2: {known}" in table([plain, private])
    loose = dp_sgd(PRIVATE, epochs=1, batches=Poisson(rate=0.1, overflow=1e-6))
    many = row(study, loose, shown, seen, members=60_000)
    assert many.epsilon is None
    assert "no ε: a batch outgrows its padding with" in many.notes[-1]
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    assert [found.epsilon for found in rows()] == [None, None]
    assert "note: dp_sgd_1_noise_2: install pptp-jax[dp] for ε" in table(rows())
