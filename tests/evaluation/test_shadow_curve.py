"""The curve over the number of shadows is the plain attack on the rows that it may use."""

import numpy as np
import pytest

from pptp_jax.data import Balanced, Pairs
from pptp_jax.evaluation import attack, shadow_curve

RNG = np.random.default_rng(0)
SPLIT = Pairs(targets=4, shadows=10).draw(100, 0)
PHI = np.float32(RNG.normal(size=(14, 100)) + SPLIT.matrix)
SIGNALS = {"confidence": PHI}
NAMES = ("loss", "lira_online", "lira_offline", "rmia_online")
DRAWS = {"resamples": 20, "seed": 3}


def test_each_point_is_the_attack_on_the_first_rows_alone() -> None:
    found = shadow_curve(SIGNALS, SPLIT, [10, 4], NAMES, **DRAWS)
    assert list(found) == [4, 10]
    for number, own in found.items():
        rows = 4 + number
        plain = attack(
            {"confidence": PHI[:rows]},
            SPLIT.matrix[:rows],
            attacks=NAMES,
            targets=[0, 1, 2, 3],
            shadows=range(4, rows),
            **DRAWS,
        )
        for name in NAMES:
            np.testing.assert_array_equal(own.scores[name], plain.scores[name])
            assert own[name].metrics == plain[name].metrics
    few, many = (found[number].scores["lira_online"] for number in (4, 10))
    assert not np.allclose(few, many)


def test_the_order_of_the_shadows_is_that_of_the_membership() -> None:
    turned = SPLIT._replace(shadows=SPLIT.shadows[::-1])
    [own] = shadow_curve(SIGNALS, turned, [4], ["lira_offline"], **DRAWS).values()
    plain = attack(SIGNALS, SPLIT._replace(shadows=(10, 11, 12, 13)), attacks=["lira_offline"])
    found, expected = (one.scores["lira_offline"] for one in (own, plain))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)  # of sums in another order


def test_a_target_never_helps() -> None:
    drawn = Balanced(8).draw(100, 0)._replace(targets=(1, 2))
    phi = np.float32(RNG.normal(size=(8, 100)) + drawn.matrix)
    [own] = shadow_curve({"confidence": phi}, drawn, [5], ["rmia_offline"], **DRAWS).values()
    plain = attack(
        {"confidence": phi}, drawn.matrix, None, ["rmia_offline"], targets=[1, 2],
        shadows=[0, 3, 4, 5, 6],
    )  # fmt: skip
    np.testing.assert_array_equal(own.scores["rmia_offline"], plain.scores["rmia_offline"])


def test_an_attack_without_enough_shadows_is_noted() -> None:
    found = shadow_curve(SIGNALS, SPLIT, [2, 4], ("lira_online", "rmia_online"), **DRAWS)
    assert list(found[2]) == ["rmia_online"]
    assert list(found[4]) == ["lira_online", "rmia_online"]
    assert "needs at least 2 IN shadows" in found[2].notes[0]


@pytest.mark.parametrize(
    ("membership", "shadows", "message"),
    [
        (SPLIT, [8, 12], "there are 10 shadows that are no targets, and 12 are wanted"),
        (SPLIT, [8, 8], "the number 8 of shadows is given several times"),
        (SPLIT, [], "shadows must be an integer of at least 1, got 0"),
        (SPLIT, [0], "number_of_shadows must be an integer of at least 1, got 0"),
        (SPLIT, [2.5], "number_of_shadows must be an integer of at least 1, got 2.5"),
        (Balanced(14).draw(100, 0), [4], "every shadow is a target as well: name fewer targets"),
    ],
)
def test_bad_input(membership, shadows, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shadow_curve(SIGNALS, membership, shadows, ["rmia_online"])
