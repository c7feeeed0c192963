"""Gradients as canaries: what is planted, what a step does with them, and the known scores."""

import json
import math
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.audit import GradientCanaryAudit, one_run_bound, run_canaries
from pptp_jax.audit.gradient_answers import _canaries, gradient_answers, watched
from pptp_jax.data import Arrays, Digits
from pptp_jax.fleets import Runtime
from pptp_jax.models import mlp
from pptp_jax.regions import RegionMap
from pptp_jax.report import render_canaries, write_report
from pptp_jax.training import (
    SGD,
    Poisson,
    Private,
    annealed,
    dp_sgd,
    freeze,
    make_train,
    undefended,
)
from pptp_jax.training.gradient_canaries import GradientCanaries, see_canaries
from pptp_jax.transforms import RegionClip, clipped_grad


def audit(**change) -> GradientCanaryAudit:
    settings = {
        "name": "tiny",
        "data": Digits(),
        "model": mlp([24], num_classes=10),
        "recipes": (dp_sgd(Private(noise_multiplier=1.5), epochs=4),),
        "canaries": 220,
        "held_out": 40,
        "examples": 60,
        "runs": 8,
        "optimizer": SGD(),
        "batch_size": 40,
    }
    return GradientCanaryAudit(**(settings | change))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the audit has been run."""
    path = tmp_path_factory.mktemp("audit")
    run_canaries(audit(), path)
    return path


def stored(home: Path) -> tuple[np.ndarray, np.ndarray]:
    [path] = (home / "scores").iterdir()
    with np.load(path) as arrays:
        assert arrays["finite"].all()
        return arrays["scores"], arrays["present"]


def test_what_is_planted() -> None:
    planted = audit(runs=100).plant()
    assert planted.places == 240 and len(planted.extended) == 280
    assert sorted([*planted.held_out, *planted.others]) == list(range(60))
    rows = planted.members()
    assert ((rows[:, :220] >= 0) == planted.present).all()
    there = np.where(rows < 0, -1 - rows, rows)
    np.testing.assert_array_equal(there[:, :220], np.tile(np.arange(60, 280), (100, 1)))
    assert abs(planted.present.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(planted.present[:, 0], planted.present[:, 1])[0, 1]) < 0.4
    own = audit()
    coordinates = np.asarray(_canaries(own, own.plant(), own.recipes[0]).coordinates)
    assert len(set(coordinates.tolist())) == 220


def test_the_clipped_gradient_of_a_canary_is_the_norm_along_its_weight() -> None:
    params = {"a": jnp.ones((2, 2)), "b": jnp.full(3, 2.0)}
    canaries = GradientCanaries(coordinates=jnp.array([5, 1]), max_norm=0.5, first=10)

    def loss(params, row):
        otherwise = jnp.sum(params["a"]) * 3.0 + params["b"][2]
        return canaries.loss(params, row, otherwise)

    regions = RegionMap.from_rules([(".*", "protect")])
    clip = RegionClip(regions, "protect", max_norm=0.5)
    total = jax.jit(clipped_grad(loss, clip))
    found = total(params, jnp.array([10, 11]), jnp.array([True, True]))
    np.testing.assert_allclose(found["a"], [[0.0, 0.5], [0.0, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(found["b"], [0.0, 0.5, 0.0], rtol=1e-6)
    assert not np.any(
        jax.tree.leaves(total(params, jnp.array([10, 11]), jnp.array([False, False])))[0]
    )
    own = total(params, jnp.array([9, 12]), jnp.array([True, True]))  # no canaries
    np.testing.assert_allclose(own["a"], 2 * 0.5 * 3 / math.sqrt(37), rtol=1e-5)


def test_what_a_step_shows() -> None:
    mean = {"a": jnp.arange(4.0), "b": jnp.array([10.0, 20.0])}
    canaries = GradientCanaries(coordinates=jnp.array([5, 1, 2]), max_norm=0.5, first=7)
    tx = see_canaries(canaries, expected=4)
    state = tx.init(mean)
    rows = jnp.array([7, -1 - 8, 3, 0])  # canary 0, canary 1 absent, and two others
    same, state = tx.update(mean, state, rows=rows)
    assert same is mean
    np.testing.assert_allclose(state.canaries_seen, [8 * 20 - 0.5, 8 * 1 - 0.5, 0.0])
    _, state = tx.update(mean, state, rows=jnp.array([9, 0, 1, 2]))
    np.testing.assert_allclose(state.canaries_seen, [159.5, 7.5, 8 * 2 - 0.5])
    blind = see_canaries(replace(canaries, known_order=False), expected=4)
    _, state = blind.update(mean, blind.init(mean), rows=rows)
    np.testing.assert_allclose(state.canaries_seen, [160.0, 8.0, 16.0])


def test_a_run_that_is_watched_is_the_run_itself() -> None:
    """Without any canary present the network is that of plain DP-SGD in the same places."""
    own = audit()
    planted = own.plant()
    [recipe] = own.recipes
    rows = planted.members()[0]
    rows[:220] = np.where(rows[:220] >= 0, -1 - rows[:220], rows[:220])
    arrays, key = Arrays.of(planted.extended), jax.random.key(3)
    canaries = _canaries(own, planted, recipe)
    seen = jax.jit(watched(own, recipe, canaries, planted))(key, arrays, jnp.asarray(rows))
    train = jax.jit(make_train(own.model, recipe, own.optimizer, batch_size=40, places=True))
    variables, _ = train(key, arrays, jnp.asarray(rows))
    held_out = jnp.asarray(planted.held_out)
    logits = own.model.answering(variables)(arrays.inputs(held_out))
    right = np.asarray(logits).argmax(axis=1) == planted.data.y[planted.held_out]
    np.testing.assert_array_equal(seen["utility"], right)


def test_scores_are_distributed_as_a_gaussian_mechanism_says(home: Path) -> None:
    """Four noisy sums of σ = 1.5 each: N(±2, 4 · 1.5²), but for the gradients of 20 examples."""
    found, present = stored(home)
    inside, outside = found[present], found[~present]
    error = 3 / math.sqrt(len(inside))
    assert abs(inside.mean() - 2) < 5 * error and abs(outside.mean() + 2) < 5 * error
    for part in (inside, outside):
        assert abs(part.std() / 3 - 1) < 5 / math.sqrt(2 * len(part))
    noise = found - np.where(present, 2, -2)
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 0.95
    assert abs(np.corrcoef(noise.ravel()[:-1], noise.ravel()[1:])[0, 1]) < 0.15


def test_scores_of_poisson_batches(tmp_path: Path) -> None:
    """24 steps, each with probability 1/6: four times in the sum on average."""
    recipe = dp_sgd(Private(noise_multiplier=0.5), epochs=4, batches=Poisson())
    own = audit(recipes=(recipe,))
    planted = own.plant()
    found = gradient_answers(own, planted, recipe, tmp_path, Runtime()).scores
    present = planted.present
    inside, outside = found[present], found[~present]
    spread = math.sqrt(24 * 0.25 + 24 / 6 * 5 / 6)
    assert abs(inside.mean() - outside.mean() - 4) < 5 * spread * math.sqrt(2 / len(inside))
    assert abs(outside.std() / math.sqrt(24 * 0.25) - 1) < 0.2
    assert abs(inside.std() / spread - 1) < 0.2


def test_without_noise_the_bound_is_the_largest_that_there_is(tmp_path: Path) -> None:
    own = audit(recipes=(dp_sgd(Private(noise_multiplier=0.0), epochs=2),), delta=1e-6)
    results = run_canaries(own, tmp_path)
    [row] = results["rows"]
    assert row["accounted"] is None
    found, present = stored(tmp_path)
    assert found[present].min() > found[~present].max()
    # Of all canaries as many are present as coins give, so half of them are the most for sure.
    looks = len((220, 110, 55, 27, 13))
    most = one_run_bound(220, 110, 110, delta=1e-6, confidence=1 - 0.05 / looks)
    assert min(row["each_run"]) == pytest.approx(most) and most > 3


def test_bounds_come_near_what_is_accounted_from_below(home: Path) -> None:
    results = json.loads((home / "audit.json").read_text())
    [row] = results["rows"]
    accounted = row["accounted"]["epsilon"]
    assert np.sum(np.array(row["each_run"]) > accounted) <= 1
    assert 0 < row["pooled"]["any"]["epsilon"] < accounted
    assert 0.6 * accounted < row["pooled"]["gaussian"]["epsilon"] < accounted
    text = render_canaries(results)
    assert "220 canaries that are gradients, among 240 places" in text
    assert f"{row['pooled']['gaussian']['epsilon']:.2f}" in text
    page = write_report(home).read_text()
    assert "220 of 240 examples are canaries: their gradient has" in page
    assert f"{row['pooled']['gaussian']['epsilon']:.2f}<small>" in page
    assert "220 of 240 places have a gradient" in (home / "README.md").read_text()


def test_what_is_finished_is_not_trained_again(home: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in home.rglob("run-*.npz")}
    assert len(before) == 8
    results = json.loads((home / "audit.json").read_text())
    stopped = Runtime(stop=lambda: True)
    assert run_canaries(audit(), home, runtime=stopped)["rows"] == results["rows"]
    assert {p: p.stat().st_mtime_ns for p in home.rglob("run-*.npz")} == before
    with pytest.raises(KeyboardInterrupt):
        run_canaries(audit(seed=1), home, runtime=stopped)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipes": (undefended(2),)}, "undefended has a gradient that is not private"),
        (
            {"recipes": (freeze("stem", after=1, more=1),)},
            "freeze has more than one phase and a gradient that is not private",
        ),
        (
            {"recipes": (dp_sgd(Private(noise_multiplier=1.0, relative_norms=(1.0, 0.5)), 1),)},
            "dp_sgd.* has norms of their own for members",
        ),
        ({"recipes": (annealed(2),)}, "a schedule or a weight decay of its own"),
        ({"canaries": 0}, "canaries must be an integer of at least 1, got 0"),
        ({"runs": 7}, "runs must be an integer of at least 8, got 7"),
        ({"delta": 2}, "delta must lie between 0 and 1"),
    ],
)
def test_what_no_audit_can_be(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audit(**change)


def test_what_does_not_fit_the_data() -> None:
    with pytest.raises(ValueError, match="60 examples; 60 held out leave none to train on"):
        audit(held_out=60).plant()
    with pytest.raises(ValueError, match=r"trains 1810 weights, too few for 1900 canaries"):
        audit(canaries=1900).plant()
    with pytest.raises(ValueError, match="a model has 240 members, too few for one batch of 250"):
        audit(batch_size=250).plant()
