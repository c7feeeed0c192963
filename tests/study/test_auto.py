"""The region `auto`: found on examples set aside, before a run, and kept."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pptp_jax.data import Balanced, Digits, Quarters
from pptp_jax.models import Model, mlp
from pptp_jax.study import Study, run
from pptp_jax.study.locate import locate_study, with_regions_found
from pptp_jax.training import freeze, undefended

pytestmark = pytest.mark.usefixtures("compile_in_haste")

STUDY = Study(
    name="auto",
    data=Digits(),
    model=mlp([8], num_classes=10),
    split=Balanced(models=6),
    examples=300,
    tuning=0.4,
    budget=1.0,
    batch_size=20,
    resamples=20,
    recipes=(undefended(4), freeze("auto", after=1, more=1), freeze("not auto", after=1, more=1)),
)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("auto")


def test_auto_is_what_the_risk_map_chooses(out: Path) -> None:
    found, why = with_regions_found(STUDY, out)
    chosen = tuple(json.loads((out / "risk_map.json").read_text())["auto"]["blocks"])
    other = tuple({"stem", "head"} - set(chosen))
    assert [recipe.region for recipe in found.recipes] == [None, chosen, other]
    assert why.startswith(f"auto is {'+'.join(chosen)}: AUC of LiRA -")


def test_the_map_is_made_again_only_where_something_has_changed(out: Path) -> None:
    with_regions_found(STUDY, out)
    before = (out / "risk_map.json").stat().st_mtime_ns
    with_regions_found(replace(STUDY, trajectory=(1,)), out)
    assert (out / "risk_map.json").stat().st_mtime_ns == before
    # With so few models it is chance whether a cut lowers the attack's AUC, so with another seed
    # there may be no region `auto`; the map is made all the same.
    locate_study(replace(STUDY, seed=1), out)
    assert json.loads((out / "risk_map.json").read_text())["setting"]["seed"] == 1
    assert (out / "risk_map.json").stat().st_mtime_ns > before
    (out / "risk_map.json").write_text("{")
    with_regions_found(STUDY, out)
    assert json.loads((out / "risk_map.json").read_text())["setting"]["seed"] == 0


def test_a_study_without_auto_locates_nothing(tmp_path: Path) -> None:
    study = replace(STUDY, recipes=STUDY.recipes[:1])
    assert with_regions_found(study, tmp_path) == (study, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tuning": 0.0}, "freeze asks for the region 'auto', .* set some aside with tuning="),
        ({"model": Model(init=lambda key, x: x, apply=lambda *a, **k: a)}, "the model has none"),
    ],
)
def test_a_study_that_cannot_find_a_region(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(STUDY, **change)


def test_what_only_the_run_tells(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="region 'auto' is found by measuring, as `pptp run`"):
        run(STUDY, tmp_path)
    with pytest.raises(ValueError, match="needs the split Balanced"):
        with_regions_found(replace(STUDY, split=Quarters(targets=2, shadows=3)), tmp_path)


def test_where_no_cut_is_good_enough_the_run_says_so(out: Path) -> None:
    with_regions_found(STUDY, out)
    record = json.loads((out / "risk_map.json").read_text())
    record["auto"] = {"budget": 1.0, "blocks": None, "explanation": "no cut lowers the AUC"}
    (out / "risk_map.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="no cut lowers the AUC"):
        with_regions_found(STUDY, out)
