"""An attribute guessed from a model: known answers, twins, chance, and what is refused."""

import numpy as np
import pytest

from pptp_jax.audit import AskedColumn, ask_column, attribute_inference, impute
from pptp_jax.validation import Refused

EXAMPLES, COLUMN = 160, 1


def table(rng, values=2, classes=3):
    """Records of columns by chance, and which half trained each of four models."""
    x = rng.integers(0, values, size=(EXAMPLES, 4)).astype(np.float32)
    membership = rng.permuted(np.tile(np.arange(4) < 2, (EXAMPLES, 1)), axis=1).T
    return x, rng.integers(0, classes, EXAMPLES), membership


def memorised(x, y, membership):
    """Models that are sure of the label of a member if its column is the one they saw, or wrong."""

    def ask(asked):
        seen = membership & (asked[:, COLUMN] == x[:, COLUMN])
        return 9.0 * (2.0 * seen - membership)[..., None] * np.eye(3)[y]

    return ask


def blind_to_the_column(x, y, membership):
    """Models that are sure of their members, whatever the column is."""
    return lambda asked: 9.0 * membership[..., None] * np.eye(3)[y]


@pytest.mark.parametrize("values", [2, 3])
def test_a_memorised_column_is_guessed_of_members_alone(values):
    x, y, membership = table(np.random.default_rng(0), values)
    asked = [ask_column(memorised(x, y, membership), x, y, COLUMN, folds=2)]
    for weights in ("prior", "none", "imputer"):
        found = attribute_inference(asked, membership, weights=weights)
        for control in ("prior", "imputer", "out_models"):
            assert found[control].members.attack.value == 1
            assert found[control].members.difference.low > 0.2
            assert found[control].excess.low > 0.2
        assert found["out_models"].nonmembers.difference.value == pytest.approx(0, abs=1e-12)
    outside = attribute_inference(asked, membership, weights="none")["prior"].nonmembers.attack
    assert outside.value == pytest.approx(1 / values)  # all candidates are equal to the model


def test_a_model_that_ignores_the_column_tells_nothing():
    x, y, membership = table(np.random.default_rng(1))
    asked = [ask_column(blind_to_the_column(x, y, membership), x, y, COLUMN, folds=2)]
    prior = attribute_inference(asked, membership)["prior"]
    assert prior.members.difference == (0, 0, 0) and prior.excess == (0, 0, 0)
    flat = attribute_inference(asked, membership, weights="none")
    assert flat["out_models"].members.difference.value == 0
    # What the imputer knows, the weight of the same name knows.
    truth = (x[:, 0] == 1).astype(int)
    x[:, COLUMN] = np.where(np.random.default_rng(2).random(EXAMPLES) < 0.9, truth, 1 - truth)
    asked = [ask_column(blind_to_the_column(x, y, membership), x, y, COLUMN, folds=2)]
    imputing = attribute_inference(asked, membership, weights="imputer")["imputer"]
    assert imputing.members.attack.value > 0.8 and abs(imputing.members.difference.value) < 0.05
    alone = attribute_inference(asked, membership)["imputer"]
    assert alone.members.difference.high < -0.2  # the honest control beats such a model


def test_guesses_by_chance_differ_from_a_control_as_often_as_is_claimed():
    inside = []
    for draw in range(25):
        rng = np.random.default_rng(draw)
        _, _, membership = table(rng)
        truth = rng.integers(0, 3, EXAMPLES)
        chances = rng.dirichlet(np.ones(3), EXAMPLES)
        asked = AskedColumn(
            log_prob=-rng.exponential(size=(4, EXAMPLES, 3)),
            truth=truth,
            prior=np.full(3, 1 / 3),
            imputed=chances,
            without_label=chances,
        )
        apart = {"targets": [0, 1], "shadows": [2, 3]}
        found = attribute_inference([asked], membership, resamples=100, **apart)
        for control in ("imputer", "out_models"):
            for estimate in (
                found[control].members.difference,
                found[control].nonmembers.difference,
                found[control].excess,
            ):
                inside.append(estimate.low <= 0 <= estimate.high)
    assert np.mean(inside) > 0.92


def test_scores_are_those_of_loops_over_columns_and_candidates():
    rng = np.random.default_rng(4)
    x, y, membership = table(rng, values=3)
    weights = rng.normal(size=(4, 4, 3))

    def ask(asked):
        return np.einsum("ec,mck->mek", asked, weights)

    asked = [ask_column(ask, x, y, column, folds=2) for column in (0, 2)]
    found = attribute_inference(asked, membership, resamples=10)["prior"]
    right = {True: [], False: []}
    for model in range(4):
        for record in range(EXAMPLES):
            shares = []
            for column in (0, 2):
                scores = []
                for value in range(3):
                    changed = x[record].astype(float)
                    changed[column] = value
                    logits = changed @ weights[model]
                    p = np.exp(logits[y[record]]) / np.exp(logits).sum()
                    scores.append(p * np.mean(x[:, column] == value))
                shares.append(np.argmax(scores) == x[record, column])
            right[bool(membership[model, record])].append(np.mean(shares))
    assert found.members.attack.value == pytest.approx(np.mean(right[True]))
    assert found.nonmembers.attack.value == pytest.approx(np.mean(right[False]))


def test_log_p_is_exact_where_p_rounds_to_1():
    x, y, _ = table(np.random.default_rng(5))

    def ask(asked):  # 1 − p is e^−40 and e^−41, and 1 in float64 both
        return (40 + asked[:, COLUMN, None] - 0.7) * np.eye(3)[y]

    asked = ask_column(ask, x, y, COLUMN, folds=2)
    assert (asked.log_prob[..., 1] > asked.log_prob[..., 0]).all()


def test_an_imputer_never_sees_the_record():
    """Values by chance: a classifier that has seen a record knows its value by its number."""
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 2, 300)
    chances = impute(np.column_stack([np.arange(300), rng.normal(size=300)]), truth)
    assert abs((chances.argmax(axis=1) == truth).mean() - 0.5) < 0.12
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    with pytest.raises(Refused, match="4 of 100 records differ from the commonest value"):
        impute(rng.normal(size=(100, 2)), (np.arange(100) < 4).astype(int))
    with pytest.raises(Refused, match="finite"):
        impute(np.full((300, 2), np.nan), truth)
    with pytest.raises(Refused, match="truth must hold an integer from 0 for each of 300"):
        impute(np.zeros((300, 2)), -truth)
    with pytest.raises(Refused, match="truth must be below the 2 values, got 5"):
        impute(np.zeros((300, 2)), 5 * truth, values=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"column": 4}, "column must be below the 4 columns of x, got 4"),
        ({"column": -1}, "column must be an integer of at least 0"),
        ({"column": 3}, r"column 3 is constant, 1.0 in every record"),
        ({"values": np.array([0.0, 2.0])}, "values must have every value of column 1 .* lack 1.0"),
        ({"ask": lambda asked: np.full((EXAMPLES, 2), 0.5)}, "logits are probabilities here"),
        ({"ask": lambda asked: np.full((EXAMPLES, 3), np.nan)}, "must be finite logits"),
        ({"ask": lambda asked: np.zeros((EXAMPLES, 2)) - 1}, "below the 2 classes"),
        ({"ask": lambda asked: np.zeros((5, 3))}, r"got \(5, 3\)"),
    ],
)
def test_what_cannot_be_guessed_is_refused(change, message):
    x, y, membership = table(np.random.default_rng(7))
    x[:, 3], y[0] = 1, 2
    given = {"ask": memorised(x, y, membership), "column": COLUMN} | change
    ask, column = given.pop("ask"), given.pop("column")
    with pytest.raises(Refused, match=message):
        ask_column(ask, x, y, column, **given)


def test_a_column_of_numbers_and_misfits_are_refused():
    rng = np.random.default_rng(8)
    x, y, membership = table(rng)
    x[:, 0] = rng.normal(size=EXAMPLES)
    with pytest.raises(Refused, match="160 different values: a column of categories is wanted"):
        ask_column(memorised(x, y, membership), x, y, 0)
    asked = ask_column(memorised(x, y, membership), x, y, COLUMN, folds=2)
    with pytest.raises(Refused, match="weights 'flat' is unknown"):
        attribute_inference([asked], membership, weights="flat")
    with pytest.raises(Refused, match="there is no column to guess"):
        attribute_inference([], membership)
    with pytest.raises(Refused, match=r"come from \(4, 160\) .* membership has \(3, 160\)"):
        attribute_inference([asked], membership[:3])
    few = np.tile(np.arange(EXAMPLES) < 5, (4, 1))
    with pytest.raises(Refused, match="at least 20 members"):
        attribute_inference([asked], few)
