"""ε beside every private result: what its bound is, and where there is none."""

import sys
from dataclasses import asdict, replace

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
from pptp_jax.report import render_table
from pptp_jax.study import Study
from pptp_jax.study.guarantee import guarantee
from pptp_jax.study.rows import row
from pptp_jax.training import Ensemble, Phase, Private, Recipe, dp_sgd, selena, undefended

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
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    assert [found.epsilon for found in rows()] == [None, None]
    assert "note: dp_sgd_1_noise_2: install pptp-jax[dp] for ε" in table(rows())
