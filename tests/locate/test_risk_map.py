"""The risk map finds what was planted, and changes nothing where nothing was learned."""

import json
from typing import Any

import pytest
from planted import CLASSES, EXAMPLES, FEATURES, MODEL, planted_data

from pptp_jax.data import Arrays, Balanced
from pptp_jax.locate import MODIFICATIONS, RiskMap, RiskMapSpec, choose, risk_map
from pptp_jax.models import Model
from pptp_jax.objectives import RelaxLoss
from pptp_jax.training import SGD

pytestmark = pytest.mark.usefixtures("compile_in_haste")

MATRIX = Balanced(models=8).draw(EXAMPLES, seed=0).matrix
SETTING = {
    "defence": RelaxLoss(alpha=1.0),
    "epochs": 4,
    "early": 1,
    "retrain": 2,
    "batch_size": 10,
    "resamples": 20,
}


def spec(**changes: Any) -> RiskMapSpec:
    given = {"model": MODEL, "data": Arrays.of(planted_data()), "matrix": MATRIX}
    return RiskMapSpec(**{**given, **SETTING, **changes})


@pytest.fixture(scope="module")
def shares() -> list[float]:
    return []


@pytest.fixture(scope="module")
def planted(compile_in_haste: None, shares: list[float]) -> RiskMap:
    return risk_map(
        spec(optimizer=SGD(learning_rate=0.2), gradient_examples=40),
        on_progress=lambda doing, share: shares.append(share),
    )


def test_the_table_is_where_members_are_remembered(planted: RiskMap) -> None:
    assert planted.undefended.auc["loss"].value > 0.9
    assert planted.undefended.accuracy.value > 0.7
    linear, table = planted.of_blocks
    assert (linear.name, table.name) == ("linear", "table")
    assert (linear.parameters, table.parameters) == (FEATURES * CLASSES, EXAMPLES * CLASSES)
    # No non-member has ever moved its row: without the table only the classifier is left.
    assert table.privacy_score("rewind", "loss").low > 0.2
    assert table.generalisation_score("rewind").value == 0
    assert linear.generalisation_score("rewind").low > 0.2
    for way in ("rewind", "graft", "retrain"):
        scores = [risk.privacy_score(way, "loss") for risk in (linear, table)]
        assert scores[1].value > scores[0].value + 0.05
        assert choose(planted, 0.05, by=way, attack="loss") == ("table",)


def test_progress_and_fields_are_complete(planted: RiskMap, shares: list[float]) -> None:
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    assert planted.modifications == MODIFICATIONS
    for risk in planted.regions:
        for change in risk.changes.values():
            for number in (change.accuracy, change.loss_gap, *change.auc.values()):
                assert number.low <= number.high
    text = json.dumps(planted.to_json(), allow_nan=False)
    assert RiskMap.from_json(json.loads(text)) == planted
    setting = planted.setting
    assert (setting["models"], setting["members"], setting["gradient_examples"]) == (8, 30, 40)
    assert (setting["defence"], setting["strength"]) == ("relaxloss", 1.0)
    # A member's row of the table has learned it, and its gradient there is small.
    assert planted.gradient_norm_auc["table"].value > 0.9


def test_an_untrained_fleet_cannot_be_rewound() -> None:
    untrained = risk_map(spec(optimizer=SGD(learning_rate=1e-30), retrain=0))
    assert untrained.modifications == ("rewind", "rewind_early", "graft")
    for risk in untrained.regions:
        for change in risk.changes.values():
            for number in (change.accuracy, change.loss_gap, *change.auc.values()):
                assert number == (0, 0, 0)


def test_a_fleet_that_diverges() -> None:
    with pytest.raises(ValueError, match=r"the undefended fleet has diverged.*lower learning rate"):
        risk_map(spec(optimizer=SGD(learning_rate=1e38), retrain=0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"early": 4}, "early must lie below the 4 epochs of the training, got 4"),
        ({"early": 0}, "early must be an integer of at least 1, got 0"),
        ({"retrain": -1}, "retrain must be an integer of at least 0, got -1"),
        ({"epochs": 1}, "epochs must be an integer of at least 2, got 1"),
        ({"batch_size": 31}, "a model has 30 members, too few for one batch of 31"),
    ],
)
def test_bad_numbers(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec(**changes)


def test_bad_models_and_matrices() -> None:
    bare = Model(MODEL.init, MODEL.apply)
    with pytest.raises(ValueError, match=r"this one has 0: give Model\(..., blocks=...\)"):
        spec(model=bare)
    half = Model(MODEL.init, MODEL.apply, (*MODEL.blocks[:1], *MODEL.blocks[:1]))
    with pytest.raises(ValueError, match="table"):
        spec(model=half)
    with pytest.raises(ValueError, match=r"shape \(models, 60\).*got bool of shape \(8, 59\)"):
        spec(matrix=MATRIX[:, 1:])
    with pytest.raises(ValueError, match=r"truth values.*got int64"):
        spec(matrix=MATRIX.astype(int))
    with pytest.raises(ValueError, match=r"at least 3 models trained with it, and some .* has 2"):
        spec(matrix=Balanced(models=4).draw(EXAMPLES, seed=0).matrix)
