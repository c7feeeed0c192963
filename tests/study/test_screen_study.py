"""The parts of `experiments/screen.py`: what a screen would see, and its rank correlation."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

PARTS = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "screen.py"))


@pytest.mark.usefixtures("compile_in_haste")
def test_what_a_screen_of_each_model_sees() -> None:
    rng = np.random.default_rng(0)
    membership = rng.permuted(np.tile(np.arange(200) < 100, (2, 1)), axis=1)
    phi = rng.normal(size=(2, 200)) + np.array([[0.0], [2.0]]) * membership
    found = PARTS["screened"](phi, phi > 0, membership)
    for model in range(2):
        own, members = phi[model], membership[model]
        losses = np.log1p(np.exp(-own))
        gap = losses[~members].mean() - losses[members].mean()
        assert found["loss_auc"][model] == pytest.approx(roc_auc_score(members, own))
        assert found["loss_gap"][model] == pytest.approx(gap)
        # The 2nd of 100 members in rising order may not be left out at 1 % FNR.
        cut = np.sort(own[members])[1]
        assert found["tail@0.01"][model] == pytest.approx((own[~members] < cut).mean())
    assert found["worth"] == [0.0, 1.0]


def test_the_correlation_is_spearmans() -> None:
    rng = np.random.default_rng(0)
    seen, achieved = rng.normal(size=12), rng.normal(size=12)
    found = PARTS["correlation"](np.tile(seen[:, None], (1, 3)), achieved, rng)
    assert found["value"] == pytest.approx(spearmanr(seen, achieved).statistic)
    assert found["low"] < found["value"] < found["high"]
    # Models that differ among each other blur it.
    blurred = seen[:, None] + 3 * rng.normal(size=(12, 16))
    assert PARTS["correlation"](blurred, seen, rng)["value"] < 0.9
