"""What a study is predicted to take, against what it does."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_study import STUDY

from pptp_jax.fleets import Runtime
from pptp_jax.report.forecast import render_forecast
from pptp_jax.storage.units import size
from pptp_jax.study import forecast, run
from pptp_jax.training import (
    Ensemble,
    Probe,
    Strategy,
    annealed,
    decay,
    dmp,
    selena,
    usual_strategy,
)

SPEEDS = Probe(Strategy(order="scan"), {"scan": 1000.0, "vmap": 500.0})


def test_time_is_what_is_seen_over_the_speed() -> None:
    recipes = (*STUDY.recipes, dmp(2, 3), selena(2, 1, Ensemble(models=4, left_out=2)))
    study = replace(STUDY, recipes=recipes, reference=60)
    found = forecast(study, Strategy(order="vmap"), SPEEDS)
    # 120 members are 2 batches of 50, 60 reference examples are one, 60 of a sub-model's too. The
    # first phase of dmp is that of undefended, and is not trained again.
    seen = [2 * 100, 2 * 100, 2 * 100, 3 * 50, 4 * 2 * 50 + 1 * 100]
    shared = [None, None, None, {"phases": 1, "of": study.recipes[0].slug}, None]
    assert [recipe["shared"] for recipe in found["recipes"]] == shared
    assert found["members"] == 120
    assert [recipe["examples_seen"] for recipe in found["recipes"]] == [6 * n for n in seen]
    assert [recipe["seconds"] for recipe in found["recipes"]] == [6 * n / 500 for n in seen]
    assert found["seconds"] == pytest.approx(6 * sum(seen) / 500)
    assert found["recipes"][-1]["phases"][0] == {
        "epochs": 2,
        "objectives": {"whole": "task_loss"},
        "networks": 4,
    }
    unknown = forecast(study, Strategy(order="unrolled"), SPEEDS)
    assert unknown["seconds"] is None and unknown["bytes"] > 0


def test_branches_of_a_trunk_count_their_anneal_alone() -> None:
    recipes = (annealed(4, anneal=1), annealed(2, anneal=1), annealed(decay(1, 0.5, "stem"), 1))
    found = forecast(replace(STUDY, recipes=recipes), Strategy(order="scan"), SPEEDS)
    # Six models see 150 members an epoch.
    seen = [recipe["examples_seen"] / (6 * 150) for recipe in found["recipes"]]
    assert seen == [4 + 1, 1, 1 + 1]
    assert found["recipes"][1]["shared"] == {"phases": 1, "of": "annealed_4+1"}
    assert found["recipes"][2]["phases"][1]["weight_decay"] == {"protect": 0.5}
    words = render_forecast(found)
    for part in ("4 of task loss, constant rate", "linear rate, weight decay 0.5 on protect"):
        assert part in " ".join(words.split()), words


def test_groups_and_memory_are_those_of_the_plan(tmp_path: Path) -> None:
    study = replace(STUDY, recipes=STUDY.recipes[:1], resamples=10)
    told: list[str] = []
    results = run(study, tmp_path, runtime=Runtime(log=told.append))
    [path] = tmp_path.rglob("fleet.json")
    plan = json.loads(path.read_text())
    [recipe] = forecast(study, usual_strategy(), SPEEDS)["recipes"]
    assert recipe["bytes"] == plan["predicted_bytes"] == results["rows"][0]["predicted_bytes"]
    needed = f"predicted to need {size(recipe['bytes'])} and the data"
    assert told == [f"{recipe['slug']}: {recipe['at_a_time']} models at a time, {needed}"]
    run(study, tmp_path, runtime=Runtime(log=told.append))  # which has nothing left to train
    assert len(told) == 1
    assert recipe["at_a_time"] == len(plan["groups"][0])


def test_what_a_study_asks_for_in_vain_is_said_before_training(tmp_path: Path) -> None:
    few = replace(STUDY, split=replace(STUDY.split, models=2), recipes=STUDY.recipes[:1])
    few = replace(few, trajectory=(1, 7))
    found = forecast(few, Strategy(order="scan"), SPEEDS)
    *impossible, late = found["notices"]
    assert late == "no recipe trains 7 epochs, a stop of the trajectory"
    assert all(one in render_forecast(found) for one in found["notices"])
    assert forecast(STUDY, Strategy(order="scan"), SPEEDS)["notices"] == []
    lines: list[str] = []
    notes = run(few, tmp_path, runtime=Runtime(log=lines.append))["rows"][0]["notes"]
    assert lines[: len(found["notices"])] == found["notices"]
    attacks = [note for note in notes if "at least" in note]
    assert len(attacks) == 4 and [f"not possible: {note}" for note in attacks] == impossible
