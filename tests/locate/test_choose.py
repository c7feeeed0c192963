"""The choice of a cut from maps that are written by hand."""

import json

import pytest

from pptp_jax.locate import RegionRisk, RiskMap, candidates, choose, cuts, explain
from pptp_jax.locate.measures import UNKNOWN, Measures
from pptp_jax.metrics import Estimate

NAMES = ("stem", "stage1", "head")


def around(value: float, half: float = 0.001) -> Estimate:
    return Estimate(value, value - half, value + half)


def change(lost: float, drop: float, half: float = 0.001) -> Measures:
    auc = {"loss": around(-drop / 2, half), "lira_online": around(-drop, half)}
    return Measures(around(-lost, half), around(-10 * drop), auc)


def risk_map(**changes: Measures) -> RiskMap:
    """A map of three blocks; cuts that are not given change nothing."""
    regions = tuple(
        RegionRisk(
            region=region,
            parameters=100 * len(region),
            changes={"rewind_early": changes.get("_".join(region), change(0.0, 0.0))},
        )
        for region in candidates(NAMES)
    )
    return RiskMap(
        blocks=NAMES,
        regions=regions,
        undefended=change(-0.7, -0.9),
        defended=UNKNOWN,
        gradient_norm_auc={name: around(0.6) for name in NAMES},
        setting={"epochs": 3},
    )


def test_candidates_of_every_depth() -> None:
    for depth in range(2, 7):
        names = [f"b{i}" for i in range(depth)]
        found = candidates(names)
        assert len(found) == len(set(found))
        known = {(name,) for name in names}
        known |= {tuple(names[:i]) for i in range(1, depth)}
        known |= {tuple(names[i:]) for i in range(1, depth)}
        assert set(found) == known
        assert set(cuts(names)) == {c for c in known if c[0] == "b0" or c[-1] == names[-1]}


def test_the_most_privacy_for_the_accuracy_wins_within_the_budget() -> None:
    risks = risk_map(stem=change(0.02, 0.2), stem_stage1=change(0.06, 0.9), head=change(0.04, 0.2))
    assert choose(risks, budget=0.05) == ("stem",)
    # Worth more by the point of accuracy, but beyond the first budget.
    assert choose(risks, budget=0.06) == ("stem", "stage1")
    assert choose(risks, budget=0.06, attack="loss") == ("stem", "stage1")
    assert explain(risks, budget=0.05) == (
        "stem: AUC of LiRA -0.200 for accuracy -0.020 (rewind_early), the best of 2 cuts "
        "within 0.05"
    )
    assert explain(risks, budget=0.06, attack="loss") == (
        "stem+stage1: AUC of LOSS -0.450 for accuracy -0.060 (rewind_early), the best of 3 cuts "
        "within 0.06"
    )


def test_a_block_in_the_middle_is_no_cut() -> None:
    risks = risk_map(stage1=change(0.0, 0.5), head=change(0.01, 0.1))
    assert choose(risks, budget=0.05) == ("head",)


def test_a_loss_within_its_interval_counts_as_half_of_it() -> None:
    # Per point that is lost the head would be worth ten times as much.
    risks = risk_map(stem=change(0.02, 0.2, half=0.01), head=change(0.0001, 0.01, half=0.005))
    assert choose(risks, budget=0.05) == ("stem",)


def test_equal_worth_goes_to_the_larger_drop_then_to_fewer_parameters_then_to_the_front() -> None:
    same = change(0.02, 0.2)
    assert choose(risk_map(stem=change(0.01, 0.1), head=same), budget=0.1) == ("head",)
    assert choose(risk_map(stem_stage1=same, head=same), budget=0.1) == ("head",)
    assert choose(risk_map(stem=same, head=same), budget=0.1) == ("stem",)
    free = change(0.0, 0.2, half=0.0)
    assert choose(risk_map(stem=free, head=change(-0.5, 0.3, half=0.0)), budget=0.0) == ("head",)


def test_no_cut_is_good_enough() -> None:
    risks = risk_map(stem=change(0.2, 0.2), head=change(0.1, 0.2))
    for ask in (choose, explain):
        with pytest.raises(ValueError, match=r"at most 0.05 of accuracy; the nearest is head.*0.1"):
            ask(risks, budget=0.05)
    with pytest.raises(ValueError, match="no cut lowers the AUC of lira_online beyond its interv"):
        choose(risk_map(stem=change(0.0, 0.1, half=0.2)), budget=0.05)
    with pytest.raises(ValueError, match="beyond its interval"):
        choose(risk_map(stem=UNKNOWN._replace(auc={"lira_online": UNKNOWN.accuracy})))


def test_bad_questions() -> None:
    risks = risk_map(stem=change(0.0, 0.1))
    with pytest.raises(ValueError, match="budget must be a finite number of at least 0, got -1"):
        choose(risks, budget=-1)
    with pytest.raises(ValueError, match=r"attack 'lira' is unknown; did you mean 'lira_online'"):
        choose(risks, attack="lira")
    with pytest.raises(ValueError, match="modification 'retrain' is unknown"):
        choose(risks, by="retrain")


def test_json_there_and_back() -> None:
    risks = risk_map(stem=change(0.02, 0.2), stage1=UNKNOWN)
    text = json.dumps(risks.to_json(), allow_nan=False)
    assert RiskMap.from_json(json.loads(text)) == risks
    record = json.loads(text)
    assert [block["name"] for block in record["blocks"]] == list(NAMES)
    assert record["blocks"][0]["changes"]["rewind_early"]["accuracy"] == around(-0.02)._asdict()
    assert record["blocks"][1]["changes"]["rewind_early"]["accuracy"]["value"] is None
    assert [cut["blocks"] for cut in record["cuts"]] == [list(cut) for cut in cuts(NAMES)]


def test_scores_are_falls() -> None:
    risk = risk_map(stem=change(0.02, 0.2, half=0.01))[("stem",)]
    assert risk.privacy_score("rewind_early") == pytest.approx((0.2, 0.19, 0.21))
    assert risk.generalisation_score("rewind_early") == pytest.approx((0.02, 0.01, 0.03))
    with pytest.raises(KeyError):
        risk_map()[("nothing",)]
