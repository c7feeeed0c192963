"""The AUC at each timestep by itself, and its figure."""

from pathlib import Path

import numpy as np
import pytest

from pptp_jax.data import Balanced
from pptp_jax.evaluation import by_timestep
from pptp_jax.fleets import FleetSignals
from pptp_jax.report import draw_timesteps
from pptp_jax.tasks import Denoising

TASK = Denoising(steps=10, timesteps=(2, 7))
MEMBERSHIP = Balanced(models=8).draw(40, seed=0)


def fleet(rows: int = 2) -> FleetSignals:
    """Members are known at the first timestep, and at no other."""
    rng = np.random.default_rng(0)
    errors = rng.uniform(0.4, 0.6, size=(8, rows, 40)).astype(np.float32)
    errors[:, 0] -= np.float32(0.3) * MEMBERSHIP.matrix
    arrays = {"confidence": -np.log(errors), "log_prob": -errors}
    return FleetSignals({"finite": np.ones(8, bool), "utility": errors.mean(1), **arrays})


def test_each_timestep_is_attacked_by_itself(tmp_path: Path) -> None:
    found = by_timestep(fleet(), MEMBERSHIP, TASK, ("loss", "calibration_watson"), resamples=20)
    assert list(found) == ["loss", "calibration_watson"]
    for records in found.values():
        assert [record["timestep"] for record in records] == [2, 7]
        first, second = (record["auc"] for record in records)
        assert first["value"] == 1.0
        assert second["low"] < 0.55 and second["high"] > 0.45
    path = draw_timesteps(found, tmp_path / "timesteps.png", title="a study")
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="confidence has 3 rows, and the task evaluates 2"):
        by_timestep(fleet(3), MEMBERSHIP, TASK)
    with pytest.raises(ValueError, match="no attack to draw"):
        draw_timesteps({}, tmp_path / "timesteps.png")
