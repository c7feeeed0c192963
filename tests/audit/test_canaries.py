"""Canaries: what is planted, what an absent one does, and an audit from end to end."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.audit import CanaryAudit, jax_privacy_auditor, one_run_bound, run_canaries
from pptp_jax.audit.found_bounds import found_bounds
from pptp_jax.data import Arrays, Digits
from pptp_jax.models import mlp
from pptp_jax.objectives import LabelSmoothing, MixupMMD, TaskLoss
from pptp_jax.report import render_canaries
from pptp_jax.study.load import load_defined
from pptp_jax.tasks.batch import without_absent
from pptp_jax.training import (
    Private,
    dmp,
    dp_sgd,
    freeze,
    make_train,
    selena,
    undefended,
    whole_network,
)
from pptp_jax.validation import Refused

PLAIN = undefended(60)
PRIVATE = dp_sgd(Private(noise_multiplier=2.0), epochs=2)


def audit(**change):
    settings = {
        "name": "tiny",
        "data": Digits(),
        "model": mlp([64], num_classes=10),
        "recipes": (PLAIN, PRIVATE),
        "canaries": 120,
        "held_out": 60,
        "examples": 300,
        "runs": 8,
        "batch_size": 40,
    }
    return CanaryAudit(**(settings | change))


@pytest.mark.parametrize(
    ("name", "places"), [("audit_digits", 1297), ("audit_private_digits", 500)]
)
def test_the_experiments_are_audits(name, places):
    path = Path(__file__).parents[2] / "experiments" / f"{name}.py"
    found = load_defined(path, "audit", CanaryAudit)
    assert found.name == path.stem
    assert found.plant().places == places


@pytest.mark.parametrize("canaries", [1, 3])
def test_few_canaries_have_bounds_or_a_reason(canaries):
    """In the first run they may all be there, or none: then one auditor of two has no bound."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        present = rng.random((8, canaries)) < 0.5
        scores = rng.normal(size=(8, canaries)) + 3 * present
        given = audit(recipes=(PLAIN,)), 240, PLAIN, 1e-5, scores, present
        if (np.minimum(present.sum(axis=0), (~present).sum(axis=0)) < 2).all():
            with pytest.raises(Refused, match="no canary was present twice and absent twice: take"):
                found_bounds(*given)
        else:
            assert found_bounds(*given)["many_runs"]["epsilon"] >= 0


def test_what_is_planted():
    planted = audit(runs=200).plant()
    true = planted.data.y
    wrong = planted.labels != true
    assert sorted(np.flatnonzero(wrong)) == sorted(planted.canaries)
    parts = [planted.canaries, planted.held_out, planted.others]
    assert sorted(np.concatenate(parts)) == list(range(300))
    # Coins of their own: as many as coins give in each run, not half of them.
    counts = planted.present.sum(axis=1)
    assert abs(counts.mean() - 60) < 1.6 and 4.5 < counts.std() < 6.5
    assert abs(np.corrcoef(planted.present[:, 0], planted.present[:, 1])[0, 1]) < 0.25
    rows = planted.members()
    assert rows.shape == (200, 240) and planted.places == 240
    assert ((rows[:, :120] >= 0) == planted.present).all() and (rows[:, 120:] >= 0).all()
    there = np.where(rows < 0, -1 - rows, rows)
    np.testing.assert_array_equal(there[:, :120], np.tile(planted.canaries, (200, 1)))
    assert not np.isin(planted.held_out, there).any()
    again = audit(runs=200).plant()
    np.testing.assert_array_equal(again.present, planted.present)
    assert (audit(runs=200, seed=1).plant().present != planted.present).any()


@pytest.mark.parametrize("recipe", [undefended(2), PRIVATE, freeze("stem", after=1, more=1)])
def test_an_absent_canary_leaves_no_trace_and_a_present_one_does(recipe):
    planted = audit().plant()
    model = mlp([16], num_classes=10)
    train = jax.jit(make_train(model, recipe, batch_size=40, places=True))
    arrays = Arrays.of(planted.data)

    def trained(run, **change):
        rows = jnp.asarray(planted.members()[run])
        variables, _ = train(jax.random.key(1), arrays._replace(**change), rows)
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(variables)])

    other = np.array(arrays.x)
    absent = planted.canaries[~planted.present[0]]
    other[absent] = 16 - other[absent]
    as_it_was = trained(0)
    np.testing.assert_array_equal(trained(0, x=jnp.asarray(other)), as_it_was)
    present = planted.canaries[planted.present[0]][0]
    other[present] = 16 - other[present]
    assert (trained(0, x=jnp.asarray(other)) != as_it_was).any()


def test_the_gradient_is_that_of_the_examples_that_are_there(rng):
    logits = jnp.asarray(rng.normal(size=(6, 10)), jnp.float32)
    labels = jnp.array([3, 3, 5, 9, 9, 0])
    there = np.array([0, 2, 4, 5])
    present = jnp.isin(jnp.arange(6), there)
    for objective in (TaskLoss(), LabelSmoothing(smoothing=0.1)):

        def loss(logits, objective=objective):
            return objective(without_absent(logits, present), labels)

        found = jax.grad(loss)(logits)
        alone = jax.grad(objective)(logits[there], labels[there]) * 4 / 6
        np.testing.assert_allclose(found[there], alone, rtol=1e-6)
        assert not np.asarray(found)[[1, 3]].any()


def test_an_audit_finds_plain_training_and_stays_below_what_is_accounted(tmp_path):
    results = run_canaries(audit(), tmp_path)
    assert json.loads((tmp_path / "audit.json").read_text()) == results
    plain, private = results["rows"]
    assert np.median(plain["each_run"]) > 0.3
    assert plain["accounted"] is None
    assert 0 < private["accounted"]["epsilon"] < 10
    assert private["accounted"]["delta"] == results["delta"] == 1 / 2400
    # A bound is too high in one run of twenty at most.
    assert np.sum(np.array(private["each_run"]) > private["accounted"]["epsilon"]) <= 2
    with np.load(tmp_path / "scores" / f"{plain['slug']}.npz") as stored:
        scores, present = stored["scores"], stored["present"]
    # The stored scores are what the bound rests on.
    right, guesses = (int(plain["one_run"]["evidence"].split()[i]) for i in (0, 2))
    order = np.argsort(-scores[0])
    ins, outs = order[: guesses - guesses // 2], order[120 - guesses // 2 :]
    assert right == present[0, ins].sum() + (~present[0, outs]).sum()
    looks = len([n for n in (120, 60, 30, 15) if n >= 8])
    bound = one_run_bound(120, guesses, right, delta=1 / 2400, confidence=1 - 0.05 / looks)
    assert plain["one_run"]["epsilon"] == pytest.approx(bound)
    theirs = jax_privacy_auditor(scores[0], present[0])
    found = theirs.epsilon_one_run(0.05, 1 / 2400)
    assert plain["jax_privacy"]["one_run"] == pytest.approx(found) and found > 0
    assert plain["jax_privacy"]["one_run_fdp"] > 0
    text = render_canaries(results)
    assert "120 canaries with wrong labels among 240 places in training; 8 runs a recipe" in text
    [line] = [line for line in text.splitlines() if line.strip().startswith("undefended_60  ")]
    assert "none" in line and f"{plain['one_run']['epsilon']:.2f}" in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runs": 4}, "runs must be an integer of at least 8, got 4"),
        ({"recipes": ()}, "recipes must be an integer of at least 1, got 0"),
        ({"canaries": 0}, "canaries must be an integer of at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"examples": 0}, "examples must be an integer of at least 1, got 0"),
        ({"model": 3}, "model must be Model, got 3"),
        ({"data": "digits"}, "data must be Source, got 'digits'"),
        ({"name": "a/../../b"}, "name must be a name for a file"),
        ({"optimizer": lambda steps: None}, "make an optax transform .*, got a NoneType"),
        ({"confidence": True}, "confidence must be a number, got True"),
        ({"confidence": 1}, "confidence must lie between 0.5 and 1, 1 excluded"),
        ({"delta": -0.1}, "delta must lie between 0 and 1"),
        ({"recipes": (selena(1, 1),)}, "selena has an ensemble"),
        ({"recipes": (dmp(1, 1),)}, "dmp has a teacher and reference examples"),
        (
            {"recipes": (whole_network(MixupMMD(weight=1.0), 1),)},
            "whole_network has reference examples and mixed inputs",
        ),
    ],
)
def test_what_no_audit_can_be(change, message):
    with pytest.raises(ValueError, match=message):
        audit(**change)


def test_what_does_not_fit_the_data():
    with pytest.raises(ValueError, match="300 examples; 240 canaries and 60 held out leave none"):
        audit(canaries=240).plant()
    with pytest.raises(ValueError, match="a model has 240 members, too few for one batch of 250"):
        audit(batch_size=250).plant()
