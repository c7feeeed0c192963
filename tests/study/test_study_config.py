"""A study and its file, right and wrong."""

import json
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_study import STUDY

from pptp_jax.data import Balanced, Npz
from pptp_jax.fleets import fingerprint
from pptp_jax.models import Model, Variables, gpt, mlp, save_variables
from pptp_jax.objectives import RelaxLoss
from pptp_jax.release import OrderOnly
from pptp_jax.signals import FLIP, IDENTITY, shift
from pptp_jax.storage.files import write_json
from pptp_jax.storage.record import describe
from pptp_jax.study import Study, load_study, narrowed, run
from pptp_jax.training import (
    SGD,
    Perturbation,
    Private,
    early_stopped,
    freeze,
    perturb,
    split,
    undefended,
    whole_network,
)
from pptp_jax.validation import Refused


def test_a_study_file(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text(
        "from pptp_jax.data import Digits\nfrom pptp_jax.models import mlp\n"
        "from pptp_jax.study import Study\nfrom pptp_jax.training import undefended\n"
        "study = Study(name='s', data=Digits(), model=mlp([8], 10), recipes=(undefended(1),))\n"
    )
    assert load_study(path).name == "s"
    for name, text, message in [
        ("none.py", None, "there is no such file"),
        ("s.txt", "", "its name ends in .py"),
        ("empty.py", "", "must define `study`, a pptp_jax.study.Study, got NoneType"),
        (
            "ends.py",
            "raise SystemExit",
            r"ends.py: the file ends the program, with sys.exit\(None\)",
        ),
        ("silent.py", "assert False", "silent.py: AssertionError"),
    ]:
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=message):
            load_study(tmp_path / name)


def test_the_experiments_are_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The studies of topics would train this base for a minute: the values with which it begins do.
    monkeypatch.chdir(tmp_path)
    decoder = gpt(width=64, depth=2, heads=4, context=64, tied=False)
    (tmp_path / "runs").mkdir()
    begun = decoder.init(jax.random.key(0), jnp.zeros((1, 64), jnp.int32))
    save_variables(tmp_path / "runs" / f"topics_base_{platform.python_version()}.npz", begun)
    for path in sorted((Path(__file__).parents[2] / "experiments").glob("*.py")):
        if "\nstudy = " not in path.read_text():  # it is another program, or shared by studies
            continue
        if path.stem == "emails":  # it reads weights: tests/test_emails_study.py
            continue
        study = load_study(path)
        assert study.name == path.stem
        json.dumps(describe(study), allow_nan=False)


def test_a_narrowed_study(tmp_path: Path) -> None:
    assert [r.name for r in narrowed(STUDY, None, ["freeze"]).recipes] == ["freeze"]
    assert len(narrowed(STUDY, None, ["split_2_head_relaxloss_1", "undefended"]).recipes) == 2
    assert narrowed(replace(STUDY, data=Npz()), tmp_path, []).data == Npz(str(tmp_path))
    with pytest.raises(ValueError, match=r"recipe 'undefnded' .* did you mean 'undefended'"):
        narrowed(STUDY, None, ["undefnded"])


@pytest.mark.parametrize("number", [np.int64, np.asarray, jnp.asarray])
def test_a_study_in_numbers_of_numpy_is_that_of_python(number: Callable) -> None:
    """In its record, its fingerprints and the names of its files."""

    def study(number: Callable) -> Study:
        return replace(
            STUDY,
            split=Balanced(models=number(4)),
            examples=number(200),
            batch_size=number(32),
            seed=number(3),
            optimizer=SGD(learning_rate=number(1)),
            recipes=(
                undefended(number(1)),
                freeze("stem", after=number(1), more=number(2)),
                perturb("stem", Perturbation(scale=number(0)), epochs=number(1)),
            ),
        )

    def records(study: Study) -> list[object]:
        data = study.load()
        prints = [fingerprint(study.fleet_spec(recipe, data)) for recipe in study.recipes]
        return [json.dumps(describe(study)), [r.slug for r in study.recipes], prints]

    assert records(study(number)) == records(study(int))


def test_a_record_of_a_part_in_numbers_of_numpy_is_that_of_python(tmp_path: Path) -> None:
    content = {"seed": np.int64(3), "found": [np.float32(0.5), np.True_], "at": jnp.array(2)}
    write_json(tmp_path / "record.json", content)
    stored = json.loads((tmp_path / "record.json").read_text())
    assert stored == {"seed": 3, "found": [0.5, True], "at": 2}
    assert describe(Balanced(models=np.int64(4))) == {"type": "Balanced", "models": 4}


@pytest.mark.parametrize(
    "make",
    [
        lambda: early_stopped(np.int64(-3)),
        lambda: undefended("3"),
        lambda: undefended(None),
        lambda: Balanced(models=np.int64(0)),
        lambda: replace(STUDY, seed=np.int64(-1)),
        lambda: replace(STUDY, budget=None),
        lambda: Perturbation(rate=np.float32(1.5)),
        lambda: Perturbation(max_norm=np.float32(-1)),
        lambda: SGD(learning_rate=np.float32(np.nan)),
        lambda: RelaxLoss(alpha=np.float32(-1)),
        lambda: OrderOnly(low=np.float32(1), high=np.float32(0)),
        lambda: OrderOnly(low="0"),
        lambda: Npz(scale=np.float64(0)),
        lambda: Private(noise_multiplier=np.float32(-1)),
        lambda: Private(noise_multiplier=None),
    ],
)
def test_a_bad_number_is_refused_whatever_its_type(make: Callable[[], object]) -> None:
    with pytest.raises(Refused, match=r"must be|must lie"):
        make()


def test_what_a_recipe_releases_makes_it_another_one() -> None:
    defence, order = RelaxLoss(alpha=1.0), OrderOnly()
    recipes = (
        whole_network(defence, 1),
        whole_network(defence, 1, release=order),
        split("head", defence, 1),
        split("head", defence, 1, release=order),
    )
    study = replace(STUDY, recipes=recipes)
    data = study.load()
    assert len({fingerprint(study.fleet_spec(recipe, data)) for recipe in recipes}) == 4
    assert "order_only" in recipes[1].slug and describe(study)["recipes"][1]["release"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipes": ()}, "recipes must be an integer of at least 1, got 0"),
        ({"recipes": (undefended(1), undefended(1))}, "undefended_1 more than once"),
        ({"attacks": ("lira_onlin",)}, "did you mean 'lira_online'"),
        ({"recipes": (freeze("hed", 1, 1),)}, "region 'hed' .* did you mean 'head'"),
        ({"data": "digits"}, "data must be Source, got 'digits'"),
        ({"split": Balanced}, "split must be Balanced or Pairs or Quarters or ByOwner, got"),
        ({"seed": "3"}, "seed must be an integer, got '3'"),
        ({"model": 3}, "model must be Model, got 3"),
        ({"name": 3}, "name must be a word, got 3"),
        *(
            ({"name": name}, "name must be a name for a file")
            for name in ("a/../../b", "..", "", "\0")
        ),
        ({"optimizer": lambda steps: None}, "make an optax transform .*, got a NoneType"),
        ({"optimizer": lambda: None}, "fails for a number of steps: .* positional argument"),
    ],
)
def test_a_bad_study(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(STUDY, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"examples": 5000}, "5000 examples were requested, but there are only 1797"),
        ({"examples": 301}, "must be a multiple of 2"),
        ({"queries": (IDENTITY, shift(8, 0))}, r"'shift\(8, 0\)' needs images"),
        ({"queries": (FLIP,)}, "query 0 must be 'identity'"),
        ({"examples": 20}, "10 members, too few for one batch of 50"),
        ({"model": mlp([8], num_classes=9)}, r"shape \(batch, 10\); it returns shape \(1, 9\)"),
        (
            {
                "model": Model(
                    init=lambda key, x: Variables(jnp.zeros((3, 10)), {}),
                    apply=lambda p, s, x, *, train, key: (x @ p, s),
                )
            },
            r"does not take a batch of digits, of shape \(50, 8, 8, 1\)",
        ),
    ],
)
def test_a_study_that_does_not_fit_its_data(change, message: str, tmp_path: Path) -> None:
    recipes = STUDY.recipes[:1]
    with pytest.raises(ValueError, match=message):
        run(replace(STUDY, recipes=recipes, **change), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}
