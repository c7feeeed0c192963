"""Weights by risk, from maps that are written by hand."""

import numpy as np
import pytest

from pptp_jax.locate import RegionRisk, RiskMap, risk_weights
from pptp_jax.locate.measures import UNKNOWN
from pptp_jax.metrics import UNRESOLVED, Estimate

NAMES = ("stem", "stage1", "stage2", "head")


def of(*falls: float | None, half: float = 0.001) -> RiskMap:
    """A map of blocks whose AUC falls by so much if they are rewound early."""

    def change(fall: float | None) -> Estimate:
        return UNRESOLVED if fall is None else Estimate(-fall, -fall - half, -fall + half)

    regions = tuple(
        RegionRisk(
            region=(name,),
            parameters=9,
            changes={
                "rewind": UNKNOWN,
                "rewind_early": UNKNOWN._replace(
                    auc={"lira_online": change(fall), "loss": change(0.5)}
                ),
            },
        )
        for name, fall in zip(NAMES, falls, strict=True)
    )
    return RiskMap(
        blocks=NAMES,
        regions=regions,
        undefended=UNKNOWN,
        defended=UNKNOWN,
        gradient_norm_auc={},
        setting={},
    )


FALLS = (0.02, -0.01, 0.2, 0.05)


@pytest.mark.parametrize("floor", [0.01, 0.15, 1.0])
def test_weights_are_in_proportion_to_the_fall_above_the_floor(floor: float) -> None:
    known = np.maximum(floor, np.maximum(FALLS, 0) / 0.2)
    found = risk_weights(of(*FALLS), floor)
    assert tuple(found) == NAMES and all(type(w) is float for w in found.values())
    np.testing.assert_allclose(list(found.values()), known)
    spared = risk_weights(of(*FALLS), floor, sparing=True)
    np.testing.assert_allclose(list(spared.values()), known.min() / known)
    assert max(spared.values()) == 1 and spared["stage2"] == floor


def test_another_attack_counts() -> None:
    assert set(risk_weights(of(*FALLS), attack="loss").values()) == {1.0}


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: risk_weights(of(*FALLS), 0.0), "floor must be a finite number above 0, got 0.0"),
        (lambda: risk_weights(of(*FALLS), 1.5), "floor must lie between 0 and 1, got 1.5"),
        (lambda: risk_weights(of(*FALLS), attack="lira"), "attack 'lira' is unknown"),
        (lambda: risk_weights(of(*FALLS), by="retrain"), "modification 'retrain' is unknown"),
        (
            lambda: risk_weights(of(*FALLS, half=0.3)),
            "by rewind_early no block lowers the AUC of lira_online beyond its interval",
        ),
        (
            lambda: risk_weights(of(0.1, None, 0.2, None)),
            "the fall in the AUC of lira_online by rewind_early is not known for stage1, head: a",
        ),
    ],
)
def test_bad_questions(ask, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ask()
