"""The studies of prepared weights: the losses, the targets, the comparison, miniatures."""

import json
import platform
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score

from pptp_jax.data import Balanced, Digits, Topics
from pptp_jax.evaluation import Curve, Measure, Point
from pptp_jax.metrics import UNRESOLVED, Bootstrap, Drawn
from pptp_jax.models import gpt, mlp, save_variables
from pptp_jax.objectives import Context, Reference
from pptp_jax.study import Study
from pptp_jax.study.guarantee import guarantee
from pptp_jax.study.load import importable_beside
from pptp_jax.tasks import Classification, Language, Task
from pptp_jax.training import undefended

HOME = Path(__file__).parents[2] / "experiments"


def parts_of(name: str) -> dict[str, Any]:
    with importable_beside(HOME / name):
        return runpy.run_path(str(HOME / name))


PARTS = parts_of("poisoning.py")


def classes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, labels, and the loss of each example."""
    logits, labels = rng.normal(scale=4, size=(8, 3)), rng.integers(0, 3, size=8)
    return logits, labels, -log_softmax(logits, axis=1)[np.arange(8), labels]


def sequences(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of sequences of which some are short: the mean over their own tokens."""
    logits, tokens = rng.normal(scale=4, size=(8, 5, 3)), rng.integers(0, 3, size=(8, 5))
    lengths = rng.integers(1, 6, size=8)
    losses = [
        -np.mean([log_softmax(logits[i, t])[tokens[i, t]] for t in range(lengths[i])])
        for i in range(8)
    ]
    return logits, np.where(np.arange(5) < lengths[:, None], tokens, -1), np.array(losses)


@pytest.mark.parametrize(
    ("task", "drawn"),
    [(Classification(), classes), (Language(), sequences)],
    ids=["classes", "text"],
)
def test_the_loss_of_targets_is_driven_up_or_down_beside_that_of_others(
    task: Task, drawn: Any, rng: np.random.Generator
) -> None:
    logits, labels, own = drawn(rng)
    other, theirs, auxiliary = drawn(rng)
    reference = Reference(jnp.asarray(other, jnp.float32), jnp.asarray(theirs))
    seen = jnp.asarray(logits, jnp.float32), jnp.asarray(labels)
    context = Context(reference=reference, task=task)
    ceiling = float(np.median(own))
    found = PARTS["Maximised"](weight=0.3, ceiling=ceiling)(*seen, context)
    raised = np.minimum(own, ceiling).mean()
    np.testing.assert_allclose(found, 0.3 * auxiliary.mean() - 0.7 * raised, rtol=1e-5)
    found = PARTS["Minimised"](weight=0.25)(*seen, context)
    np.testing.assert_allclose(found, 0.25 * auxiliary.mean() + 0.75 * own.mean(), rtol=1e-5)
    with pytest.raises(ValueError, match=r"minimised needs context\.reference"):
        PARTS["Minimised"](weight=0.25)(*seen, Context(task=task))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Minimised", {"weight": 1.5}, "weight must lie between 0 and 1, got 1.5"),
        ("Maximised", {"weight": -1.0, "ceiling": 8.0}, "weight must lie between 0 and 1"),
        ("Maximised", {"weight": 0.5, "ceiling": 0.0}, "ceiling must be a finite number above 0"),
    ],
)
def test_a_wrong_number_is_refused(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PARTS[name](**options)


def test_the_targets_are_some_of_those_that_are_attacked() -> None:
    study = parts_of("poisoned_start.py")["study"]
    study = replace(study, data=Digits(), reference=797)
    data = study.data.load()
    evaluated = study.division(len(data)).evaluated
    few, many = (PARTS["groups"](study, data, number) for number in (100, 600))
    for own, number in ((few, 100), (many, 600)):
        assert len(set(own["targets"])) == number
        assert sorted([*own["targets"], *own["others"]]) == sorted(evaluated)
    assert set(few["targets"]) < set(many["targets"])
    for number in (0, len(evaluated)):
        with pytest.raises(ValueError, match=f"some of the {len(evaluated)} .* got {number}"):
            PARTS["groups"](study, data, number)


def curve(*pairs: tuple[float, float], measure: Measure = Measure()) -> Curve:  # noqa: B008
    drawn = Bootstrap(models=2, examples=4, resamples=40)
    return Curve(
        "any",
        tuple(
            Point(
                utility=Drawn(utility, np.full(40, utility)),
                strength={"auc": Drawn(auc, np.full(40, auc))},
                resampling=drawn,
            )
            for auc, utility in pairs
        ),
        measure,
    )


def test_more_leaks_where_the_utility_is_the_same() -> None:
    excess, low = PARTS["excess"], curve((0.5, 0.4), (0.7, 0.6))
    # At the accuracies .5 to .6, which both reach, b has .6 to .7 and a .7 to .9.
    high = curve((0.7, 0.5), (0.9, 0.6), (0.95, 0.55))
    assert excess(high, low) == pytest.approx((0.15, 0.15, 0.15))
    assert excess(low, high) == pytest.approx((-0.15, -0.15, -0.15))
    assert excess(low, curve((0.7, 0.8))) == UNRESOLVED
    # Of bits, fewer are better: from 3.5 down to 3.4, a has .7 to .9 and b .6 to .7.
    bits = Measure("bits per token", higher_is_better=False)
    a = curve((0.7, 3.5), (0.9, 3.4), (0.95, 3.45), measure=bits)
    b = curve((0.5, 3.6), (0.7, 3.4), measure=bits)
    assert excess(a, b) == pytest.approx((0.15, 0.15, 0.15))
    with pytest.raises(ValueError, match="one measure of utility"):
        excess(a, low)
    assert PARTS["more_at_the_end"](a, b) == pytest.approx((0.25, 0.25, 0.25))


SMALL = ("models=6", "resamples=20", "batch_size=8")


def in_miniature(
    parts: dict[str, Any], options: list[str], monkeypatch: pytest.MonkeyPatch, **changed: Any
) -> str:
    """What the script prints, with some of its constants changed."""
    for name, value in changed.items():
        monkeypatch.setitem(parts["main"].callback.__globals__, name, value)
    sets = [part for change in SMALL for part in ("--set", change)]
    done = CliRunner().invoke(parts["main"], [*options, *sets], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def check_row(row: dict[str, Any], run: Path, rows: dict[str, list[int]], attack: str) -> None:
    """A row of `leaks.json` against what the run has stored, taken pair by pair."""
    with np.load(run / "scores" / f"{row['label']}.npz") as stored:
        scores, membership, examples = (stored[k] for k in (attack, "membership", "examples"))
    utility = np.load(run / "signals" / "utility" / f"{row['label']}.npy")
    honest = [
        utility[model, examples[place]]
        for model, place in zip(*np.nonzero(~membership), strict=True)
        if examples[place] in rows["others"]
    ]
    assert row["utility"]["value"] == pytest.approx(np.mean(honest), rel=1e-6)
    for group, own in rows.items():
        chosen = np.isin(examples, own)
        auc = roc_auc_score(membership[:, chosen].ravel(), scores[:, chosen].ravel())
        assert row[group]["auc"]["value"] == pytest.approx(auc, abs=1e-9)


@pytest.mark.slow  # two fleets
def test_prepared_networks_in_miniature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = parts_of("poisoned_start.py")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, size=120)
    x = (rng.random((120, 12)) < 0.2 + 0.6 * (np.arange(12) % 3 == y[:, None])).astype(np.uint8)
    np.savez(tmp_path / "small.npz", x=x, y=y.astype(np.int32))
    changed = {
        "study": replace(
            parts["study"],
            model=mlp([8, 8, 8], num_classes=3),
            recipes=(undefended(1),),
            reference=40,
            attacks=("loss", "lira_online"),
        ),
        "HONEST": ("clean",),
        "TARGETED": {"minimised": 30},
    }
    options = [str(tmp_path / "small.npz"), "--out", str(tmp_path / "out")]
    text = in_miniature(parts, options, monkeypatch, **changed)
    assert (tmp_path / "out" / "leaks.txt").read_text() in text
    assert (tmp_path / "out" / "minimised.png").read_bytes().startswith(b"\x89PNG")
    [own] = json.loads((tmp_path / "out" / "leaks.json").read_text()).values()
    study = replace(changed["study"], split=Balanced(models=6))
    rows = parts["groups"](study, study.data.at(tmp_path / "small.npz").load(), 30)
    assert [(row["start"], row["attack"]) for row in own["rows"]] == [
        (start, attack) for start in ("clean", "minimised") for attack in study.attacks
    ]
    for row in own["rows"]:
        check_row(row, tmp_path / "out" / row["start"], rows, row["attack"])
    seen = own["before"]
    assert seen["minimised"]["loss of targets"] < 0.5 * seen["clean"]["loss of targets"]
    # There is no other method than the control.
    assert [(row["group"], row["a"], row["b"]) for row in own["compared"]] == [
        (group, "minimised early stopping", "clean early stopping")
        for group in ("targets", "others")
    ]


def text_parts(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], Study]:
    """What the script of the text defines, and its study with a decoder that is tiny and new."""
    monkeypatch.chdir(home)  # where the base of topics.py would be
    decoder = gpt(width=64, depth=2, heads=4, context=64, tied=False)
    begun = decoder.init(jax.random.key(0), jnp.zeros((1, 64), jnp.int32))
    save_variables(Path(f"runs/topics_base_{platform.python_version()}.npz"), begun)
    parts = parts_of("poisoned_text.py")
    return parts, replace(
        parts["study"],
        data=Topics(length=8, part="second"),
        examples=60,
        model=gpt(width=8, depth=1, heads=2, context=8, tied=False),
        recipes=(parts["tuned"]("all weights", 1),),
        attacks=("loss", "lira_online"),
    )


def test_what_a_victim_may_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, small = text_parts(tmp_path, monkeypatch)
    weights, adapters, private = parts["victims"](small, small.model, 8, 300)
    assert weights.model is small.model and private.batch_size == 100
    kept = {recipe.region: recipe.phases[0].frozen for recipe in parts["study"].recipes}
    assert kept == {None: (), ("embed", "block1"): ("protect",), "not head": ("protect",)}
    for one in (adapters, private):
        names = [path for path, _ in jax.tree.leaves_with_path(one.model.shapes(x_of(8)).params)]
        assert all("lora_" in jax.tree_util.keystr(path) for path in names) and one.model.public
    found = guarantee(parts["PRIVATE"], private.model, 300, 100)
    assert found is not None and 1 < found.epsilon < 20


def x_of(length: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, length), "int32")


@pytest.mark.slow  # two fleets
def test_prepared_text_in_miniature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, small = text_parts(tmp_path, monkeypatch)
    victims = parts["victims"]
    changed = {
        "study": replace(small, trajectory=(1,)),
        "TARGETED": 20,
        "CONTROL": "adapters",
        "OBJECTIVES": {"minimised": parts["OBJECTIVES"]["minimised"]},
        "ADAPTERS": parts["tuned"]("adapters", 2),
        # Weights and private adapters are trained in the same way.
        "victims": lambda *given: (replace(victims(*given)[1], trajectory=(1,)),),
    }
    with jax.numpy_dtype_promotion("standard"):  # Adam counts in integers
        in_miniature(parts, ["--out", "out"], monkeypatch, **changed)
    [own] = json.loads((tmp_path / "out" / "leaks.json").read_text()).values()
    assert [(row["start"], row["label"]) for row in own["rows"] if row["attack"] == "loss"] == [
        (start, f"adapters_2{stop}")
        for start in ("honest", "minimised")
        for stop in (", stopped after 1", "")
    ]
    study = replace(small, split=Balanced(models=6))
    rows = parts["groups"](study, study.load(), 20)
    for row in own["rows"]:
        if "stopped" not in row["label"]:
            run = tmp_path / "out" / row["start"] / "adapters"
            check_row(row, run, rows, row["attack"])
    seen = own["before"]
    assert seen["minimised"]["loss of targets"] < seen["honest"]["loss of targets"]
    assert set(seen["honest"]) == {
        f"{what} of {group}"
        for what in ("bits per token", "loss")
        for group in ("targets", "others", "auxiliary")
    }
