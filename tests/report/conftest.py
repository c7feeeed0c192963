"""A risk map as plain data, for the tests of figures, tables and pages."""

from collections.abc import Callable
from typing import Any

import pytest

from pptp_jax.locate import cuts

WAYS = ("rewind", "rewind_early", "graft", "retrain")


def estimate(value: float | None) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value - 0.02, "high": value + 0.01}


def measures(accuracy: float | None, auc: float | None) -> dict[str, object]:
    attacks = ("loss", "lira_online", "rmia_online")
    return {
        "accuracy": estimate(accuracy),
        "loss_gap": estimate(auc),
        "auc": {attack: estimate(auc) for attack in attacks},
    }


def _record(blocks: int) -> dict[str, object]:
    """A network whose risk falls with depth; the head's retraining has diverged."""
    names = ["stem", *(f"stage{i}" for i in range(1, blocks - 1)), "head"]

    def changes(region: tuple[str, ...]) -> dict[str, object]:
        drop = sum(0.2 / (1 + names.index(name)) for name in region) / 2
        found = {way: measures(-0.01 * len(region), -drop) for way in WAYS}
        if region == ("head",):
            found["retrain"] = measures(None, None)
        return found

    return {
        "study": "mine",
        "setting": {
            "models": 16,
            "members": 50,
            "epochs": 30,
            "early": 2,
            "defence": "hamp",
            "strength": None,
        },
        "undefended": measures(0.7, 0.9),
        "defended": measures(0.6, 0.7),
        "blocks": [
            {
                "name": name,
                "parameters": 10 ** (1 + i % 7),
                "gradient_norm_auc": estimate(0.8),
                "changes": changes((name,)),
            }
            for i, name in enumerate(names)
        ],
        "cuts": [
            {"blocks": list(cut), "parameters": 1234567, "changes": changes(cut)}
            for cut in cuts(names)
        ],
        "auto": {"blocks": ["stem"], "budget": 0.05, "explanation": "stem: [so] it is"},
    }


@pytest.fixture
def risk_record() -> Callable[[int], dict[str, Any]]:
    """Makes the record of a network of a number of blocks."""
    return _record
