"""Searches: which settings are tried and chosen, the fresh fleet, and what the choice cost."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pptp_jax.data import Balanced, Digits
from pptp_jax.evaluation import Measure, point
from pptp_jax.evaluation.selection_cost import selection_cost
from pptp_jax.fleets import Runtime
from pptp_jax.metrics import Bootstrap, Drawn
from pptp_jax.models import mlp
from pptp_jax.privacy import RandomTrials, private_selection
from pptp_jax.report import render_search
from pptp_jax.study import (
    Between,
    Frontier,
    LargestMargin,
    MostUtility,
    OneOf,
    Search,
    Study,
    run_search,
)
from pptp_jax.study.comparisons import Setting
from pptp_jax.study.guarantee import ledgers
from pptp_jax.study.search_words import no_choice
from pptp_jax.study.trials import Trial, chosen, margin_of, trials
from pptp_jax.training import Private, dp_sgd, early_stopped, undefended

STUDY = Study(
    name="searched",
    data=Digits(),
    model=mlp([8], num_classes=10),
    split=Balanced(models=6),
    examples=240,
    batch_size=40,
    resamples=40,
    attacks=("loss",),
    compared="loss",
    combine=False,
    recipes=(early_stopped(1), undefended(6)),
)
SPACE = {"epochs": Between(low=1, high=9)}


def searched(**change) -> Search:
    settings = {
        "study": STUDY,
        "recipe": early_stopped,
        "space": SPACE,
        "objective": MostUtility(most_auc=1.0),
        "trials": 3,
    }
    return Search(**(settings | change))


def made_up(utility: float, strength: float, seed: int = 0) -> Setting:
    """A setting with about this accuracy and this strength of the attack."""
    rng = np.random.default_rng(seed)
    membership = rng.random((4, 300)) < 0.5
    right = rng.random((4, 300)) < utility
    scores = rng.normal(size=(4, 300)) + strength * membership
    own = point(scores, membership, right, resampling=Bootstrap(4, 300, 50, 0))
    return Setting(early_stopped(1), None, own, None)  # type: ignore[arg-type]


def tried(search: Search, most: int | None = None) -> list[Trial]:
    def measured(parameters):
        epochs = parameters["epochs"]
        return f"early_stopped_{epochs}", made_up(epochs / 10, epochs / 5)

    rivals = [made_up(0.4, 0.6), made_up(0.6, 1.5)]
    found = trials(search, rivals, measured)
    return [next(found) for _ in range(search.trials if most is None else most)]


def naive_choice(search: Search, found: list[Trial]) -> set[int]:
    """The same by looking at all pairs."""
    seen = {t.number: (t.utility.value, t.auc.value) for t in found}
    if isinstance(search.objective, Frontier):
        return {
            n
            for n, (u, a) in seen.items()
            if not any((v >= u and b <= a) and (v, b) != (u, a) for v, b in seen.values())
        }
    bound = search.objective.most_auc
    kept = {n: u for n, (u, a) in seen.items() if a <= bound}
    return {max(kept, key=lambda n: (kept[n], -n))} if kept else set()


@pytest.mark.parametrize("objective", [MostUtility(most_auc=0.75), Frontier(), LargestMargin()])
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_that_was_stopped_makes_the_same_trials(objective, sampler: str) -> None:
    search = searched(objective=objective, sampler=sampler, trials=8)
    every = [trial.parameters for trial in tried(search)]
    assert [trial.parameters for trial in tried(search, most=5)] == every[:5]
    assert [t.parameters for t in tried(replace(search, trials=20), most=8)] == every
    assert [trial.parameters for trial in tried(replace(search, seed=1))] != every
    assert len({trial["epochs"] for trial in every}) > 2


@pytest.mark.parametrize(
    "objective", [MostUtility(most_auc=0.7), MostUtility(most_auc=0.51), Frontier()]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_choice_is_that_of_all_pairs(objective, seed: int) -> None:
    search = searched(objective=objective, trials=8, seed=seed)
    found = tried(search)
    taken = chosen(search, found)
    wanted = naive_choice(search, found)
    by_number = {trial.number: trial.recipe for trial in found}
    assert {t.recipe for t in taken} == {by_number[n] for n in wanted}


def test_the_choice_by_margin_goes_by_the_lower_end() -> None:
    search = searched(objective=LargestMargin(), trials=8)
    found = tried(search)
    [taken] = chosen(search, found)
    rivals = [made_up(0.4, 0.6), made_up(0.6, 1.5)]
    lows = {}
    for trial in found:
        margin = margin_of(trial.found, rivals, Measure())
        if np.isfinite(margin.drawn).mean() >= 0.95:
            lows[trial.number] = margin.estimate().low
    assert 0 < len(lows) <= len(found)
    assert lows[taken.number] == max(lows.values())


def test_the_cost_is_what_looked_better_than_it_is() -> None:
    rng = np.random.default_rng(0)
    seen, again = (Drawn(v, v + 0.02 * rng.normal(size=4000)) for v in (0.9, 0.8))
    found = selection_cost(seen, again).cost
    assert found.value == pytest.approx(0.1)
    # The deviation of a difference of two is the square root of two times that of one.
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.02 * np.sqrt(2), rel=0.1)
    assert selection_cost(seen, again, -1).cost.value == pytest.approx(-0.1)


@pytest.mark.slow
def test_a_search_from_end_to_end_killed_on_the_way(tmp_path: Path) -> None:
    logged: list[str] = []

    def stop() -> bool:
        return sum(line.startswith("trial") for line in logged) >= 1

    search = searched(trials=2)
    with pytest.raises(KeyboardInterrupt):
        run_search(search, tmp_path / "a", runtime=Runtime(log=logged.append, stop=stop))
    assert not (tmp_path / "a" / "search.json").exists()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("after-*/manifest.json")}
    assert before
    found = run_search(search, tmp_path / "a")
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())
    through = run_search(search, tmp_path / "b")
    assert found["trials"] == through["trials"] and found["chosen"] == through["chosen"]
    assert json.loads((tmp_path / "b" / "search.json").read_text()) == through
    [best] = found["chosen"]
    every = {own["trial"]: own["utility"]["value"] for own in found["trials"]}
    assert every[best["trial"]] == max(every.values())
    cost = best["utility"]
    assert cost["tuning"]["value"] == every[best["trial"]]
    assert cost["cost"]["value"] == cost["tuning"]["value"] - cost["fresh"]["value"]
    # The fresh fleet is a run of a study of its own, with other members.
    fresh = json.loads((tmp_path / "a" / "fresh" / "results.json").read_text())
    rows = {row["slug"]: row for row in fresh["rows"]}
    assert rows[best["recipe"]]["test_accuracy"]["value"] == cost["fresh"]["value"]
    auc = rows[best["recipe"]]["attacks"]["loss"]["auc"]["value"]
    assert auc == best["auc"]["fresh"]["value"]
    assert fresh["seed"] == 1000
    members = np.load(tmp_path / "a" / "fresh" / "signals" / "membership.npy")
    assert (members != STUDY.membership(240).matrix).mean() > 0.3
    text = render_search(found)
    assert found["sentences"][0] in text and "Selection cost" in text
    [line] = [line for line in text.splitlines() if line.endswith("chosen")]
    assert best["recipe"] in line


def test_a_private_recipe_has_its_epsilon_and_that_of_a_private_selection(tmp_path: Path) -> None:
    def recipe(epochs: int):
        return dp_sgd(Private(noise_multiplier=1.0), epochs=epochs)

    search = searched(recipe=recipe, space={"epochs": Between(low=1, high=2)}, trials=2)
    found = run_search(search, tmp_path)
    [best] = found["chosen"]
    made = recipe(best["parameters"]["epochs"])
    sizes = {"model": STUDY.model, "members": 120, "batch_size": 40}
    wanted = private_selection(
        [ledgers(made, **sizes)], delta=1 / 1200, trials=RandomTrials(mean=2)
    )
    assert best["private_selection"]["epsilon"] == pytest.approx(wanted.epsilon)
    assert best["epsilon"]["epsilon"] < wanted.epsilon
    assert "No ε covers this choice" in found["sentences"][0]


def test_no_choice_is_a_sentence(tmp_path: Path) -> None:
    found = run_search(searched(objective=MostUtility(most_auc=0.5), trials=1), tmp_path)
    assert found["chosen"] == [] and not (tmp_path / "fresh").exists()
    assert found["sentences"] == [no_choice(MostUtility(most_auc=0.5))]
    assert "No trial leaks as much" in no_choice(LargestMargin())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fresh_seed": 0}, "fresh_seed must differ from the seed of the study, got 0 for both"),
        ({"trials": 0}, "trials must be an integer of at least 1, got 0"),
        ({"space": {}}, "parameters of the space must be an integer of at least 1, got 0"),
        ({"space": {"epochs": 3}}, "space must be a dict from a word to Between or OneOf"),
        ({"space": {"steps": Between(low=1, high=2)}}, "recipe does not take steps=1: "),
        ({"space": {"epochs": Between(low=-3, high=2)}}, "the recipe of epochs=-3: epochs must be"),
        ({"recipe": lambda epochs: epochs}, "recipe must return a Recipe, got a int of epochs=1"),
        ({"sampler": "grid"}, "sampler must be 'tpe' or 'random', got 'grid'"),
        ({"objective": "utility"}, "objective must be MostUtility or LargestMargin or Frontier"),
    ],
)
def test_what_no_search_can_be(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        searched(**change)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lambda: Between(low=3, high=3), "low must be below high, got 3 and 3"),
        (lambda: Between(low=0, high=1.0, log=True), "logarithmic scale low must be above 0"),
        (lambda: OneOf(("a",)), "options must be an integer of at least 2, got 1"),
        (lambda: OneOf((1, undefended(1))), "options must be words, numbers or None, got a Recipe"),
        (lambda: MostUtility(most_auc=0.3), "most_auc must lie between 0.5 and 1, got 0.3"),
    ],
)
def test_what_no_part_of_a_search_can_be(part, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        part()


def test_settings_of_one_name_are_refused(tmp_path: Path) -> None:
    def recipe(epochs: int):
        made = undefended(6)
        return replace(made, phases=(replace(made.phases[0], weight_decay=epochs / 100),))

    with pytest.raises(ValueError, match="two settings have the name undefended_6"):
        run_search(searched(recipe=recipe), tmp_path)


def test_a_search_without_optuna_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ImportError, match=r'pip install "pptp-jax\[search\]"'):
        run_search(searched(), tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("objective", [LargestMargin(), Frontier()])
def test_other_objectives_on_a_fresh_fleet(objective, tmp_path: Path) -> None:
    found = run_search(searched(objective=objective, trials=2, seed=3), tmp_path)
    fresh = json.loads((tmp_path / "fresh" / "results.json").read_text())
    slugs = {row["slug"] for row in fresh["rows"]}
    assert found["chosen"] and len(found["sentences"]) == len(found["chosen"])
    for own in found["chosen"]:
        assert own["recipe"] in slugs
        assert own["auc"]["cost"]["value"] == pytest.approx(
            own["auc"]["fresh"]["value"] - own["auc"]["tuning"]["value"]
        )
    if isinstance(objective, LargestMargin):
        [own] = found["chosen"]
        margin = own["margin"]
        tuning = found["trials"][own["trial"]]["margin"]
        assert (
            margin["tuning"] == tuning
            and "Margin over the study's recipes" in (found["sentences"][0])
        )
