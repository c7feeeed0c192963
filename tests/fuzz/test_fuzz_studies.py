"""Studies with whatever values their fields and parts may be given, up to the first training."""

import json
import math
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from fuzzing import Case, cases, ending
from small_data import STUDY

from pptp_jax.data import Augmentation, Balanced, Digits, Npz, Pairs, Quarters
from pptp_jax.models import Model, mlp
from pptp_jax.objectives import RelaxLoss, TaskLoss
from pptp_jax.report import render_forecast
from pptp_jax.robustness import Robustness
from pptp_jax.signals import FLIP, IDENTITY, Query, shift
from pptp_jax.storage.record import describe
from pptp_jax.study import Probes, Study, forecast
from pptp_jax.training import (
    SGD,
    Ensemble,
    Perturbation,
    Phase,
    Private,
    Probe,
    Recipe,
    RewindWeights,
    Strategy,
    annealed,
    cwrf,
    decay,
    dp_sgd,
    early_stopped,
    freeze,
    selena,
    split,
    switch,
    undefended,
    whole_network,
)

NAN, INF = math.nan, math.inf
# What a number, a word or a thing may be taken for.
VALUES: list[Any] = [
    *(-1, 0, 1, 2, 3, 5, 10**12, 2**64, 10**400, -(10**30)),
    *(0.0, -0.0, 0.5, 1.0, 1.5, -0.1, 1e-320, 1e308, NAN, INF, -INF),
    *(True, False, None, "", "1", "stem", "loss", "auto", "not auto", "é\0", b"x", 1j),
    *(
        (),
        (1,),
        (0,),
        (-1,),
        (1, 1),
        (NAN,),
        ("stem",),
        ("loss",),
        (None,),
        [1],
        [],
        {},
        {"a": 1},
        {1},
    ),
    *(np.int64(3), np.float32(0.5), np.float64(NAN), np.ones(2), np.array(3), jnp.float32(0.5)),
    *(object, len, Study, Ellipsis, range(3)),
]
# What fields may be given that take a thing of ours.
THINGS: dict[str, list[Any]] = {
    "model": [mlp([3], 3), mlp([3], 2, dropout=1.0), Model(len, len), mlp],
    "data": [Npz(), Npz("nowhere.npz"), Npz("."), Digits(), Npz, "digits"],
    "split": [
        Balanced(models=2),
        Pairs(targets=2, shadows=2),
        Quarters(targets=1, shadows=1),
        Quarters(targets=40, shadows=2),
        Balanced,
    ],
    "recipes": [
        (undefended(1), undefended(1)),
        [undefended(2)],
        undefended(1),
        (TaskLoss(),),
        (undefended,),
    ],
    "optimizer": [SGD(learning_rate=jnp.float32(0.1)), SGD, lambda steps: None, lambda: None],
    "queries": [
        (FLIP,),
        (IDENTITY, IDENTITY),
        (IDENTITY, shift(2, 0)),
        (IDENTITY, shift(1, 0)),
        [IDENTITY],
    ],
    "augmentation": [Augmentation(shift=1), Augmentation(shift=2), Augmentation(), Augmentation],
    "probes": [Probes(noise_draws=1), Probes],
    "robustness": [Robustness(epsilons=(0.1,)), Robustness],
    "attacks": [
        ("loss", "loss"),
        ("lira_onlin",),
        ["loss"],
        ("loss", "noise", "boundary_distance"),
    ],
    "trajectory": [(1, 2), (99,), (2, 1), (1, 1), [1]],
}
FIELDS = [*Study.__dataclass_fields__]


def _recipes(value: Any) -> dict[str, Any]:
    """Recipes, each with the value at one of its places; made when they are requested."""
    plain = TaskLoss()
    return {
        "undefended": lambda: undefended(value),
        "early stopped": lambda: early_stopped(value),
        "freeze region": lambda: freeze(value, after=1, more=1),
        "freeze after": lambda: freeze("stem", after=value, more=1),
        "freeze more": lambda: freeze("stem", after=1, more=value),
        "split region": lambda: split(value, RelaxLoss(alpha=1.0), 1),
        "split defence": lambda: split("head", value, 1),
        "switch": lambda: switch(plain, after=1, more=value),
        "whole network": lambda: whole_network(value, 1),
        "alpha": lambda: whole_network(RelaxLoss(alpha=value), 1),
        "upper": lambda: whole_network(RelaxLoss(alpha=1.0, upper=value), 1),
        "release": lambda: whole_network(plain, 1, release=value),
        "noise": lambda: dp_sgd(Private(noise_multiplier=value), 1),
        "norm": lambda: dp_sgd(Private(noise_multiplier=1.0, max_norm=value), 1),
        "microbatch": lambda: dp_sgd(Private(noise_multiplier=1.0, microbatch_size=value), 1),
        "share": lambda: cwrf(RewindWeights(share=value), plain, epochs=1, more=1),
        "sub-models": lambda: selena(1, 1, Ensemble(models=value, left_out=1)),
        "left out": lambda: selena(1, 1, Ensemble(models=3, left_out=value)),
        "stddev": lambda: Perturbation(stddev=value),
        "anneal": lambda: annealed(1, anneal=value),
        "trunk": lambda: annealed(value),
        "decay": lambda: decay(1, value),
        "decay of a region": lambda: decay(1, value, "stem"),
        "own schedule": lambda: Phase(epochs=1, objectives=plain, schedule=value),
        "fixed statistics": lambda: Phase(epochs=1, objectives=plain, fixed_statistics=value),
        "phase": lambda: Phase(epochs=value, objectives=plain),
        "objectives": lambda: Phase(epochs=1, objectives=value),
        "frozen": lambda: Phase(epochs=1, objectives=plain, frozen=value),
        "phases": lambda: Recipe(name="mine", phases=value),
        "name": lambda: Recipe(name=value, phases=(Phase(epochs=1, objectives=plain),)),
    }


def _parts(value: Any) -> dict[str, tuple[str, Any]]:
    """Fields of a study, each with a part that has the value at one of its places."""
    return {
        "models": ("split", lambda: Balanced(models=value)),
        "targets": ("split", lambda: Quarters(targets=value, shadows=2)),
        "shadows": ("split", lambda: Quarters(targets=1, shadows=value)),
        "shadows in pairs": ("split", lambda: Pairs(targets=2, shadows=value)),
        "learning rate": ("optimizer", lambda: SGD(learning_rate=value)),
        "momentum": ("optimizer", lambda: SGD(momentum=value)),
        "weight decay": ("optimizer", lambda: SGD(weight_decay=value)),
        "schedule": ("optimizer", lambda: SGD(schedule=value)),
        "shift": ("augmentation", lambda: Augmentation(shift=value)),
        "cutout": ("augmentation", lambda: Augmentation(cutout=value)),
        "flip": ("augmentation", lambda: Augmentation(flip=value)),
        "moved": ("queries", lambda: (IDENTITY, Query(dy=value))),
        "boundary queries": ("probes", lambda: Probes(boundary_queries=value)),
        "noise flips": ("probes", lambda: Probes(noise_flips=value)),
        "epsilons": ("robustness", lambda: Robustness(epsilons=value)),
        "steps": ("robustness", lambda: Robustness(steps=value)),
        "draws": ("robustness", lambda: Robustness(draws=value)),
        "hidden": ("model", lambda: mlp(value, 2)),
        "width": ("model", lambda: mlp([value], 2)),
        "classes": ("model", lambda: mlp([3], value)),
        "dropout": ("model", lambda: mlp([3], 2, dropout=value)),
        "activation": ("model", lambda: mlp([3], 2, activation=value)),
        "scale": ("data", lambda: Npz("nowhere.npz", scale=value)),
        "path": ("data", lambda: Npz(value)),
    }


def _changes(case: Case) -> dict[str, Any]:
    """Other values for some fields of the study."""
    changes = {}
    for _ in range(case.several()):
        way = case.rng.integers(4)
        value = case.one(VALUES, "value ")
        if way == 0:
            field, made = case.named(_parts(value), "part ")
            changes[field] = made()
        elif way == 1:
            made = case.named(_recipes(value), "recipe ")()
            phase = made if isinstance(made, Phase) else Phase(epochs=1, objectives=TaskLoss())
            recipe = made if isinstance(made, Recipe) else Recipe(name="mine", phases=(phase,))
            changes["recipes"] = (recipe,)
        elif way == 2:
            field = case.one(tuple(THINGS))
            changes[field] = case.one(THINGS[field])
        else:
            changes[case.one(FIELDS)] = value
    return changes


@cases("studies")
def test_studies_are_checked_or_refused(case: Case) -> None:
    with ending(case):
        study = replace(STUDY, **_changes(case))
        json.dumps(describe(study), allow_nan=False)
        scan = Strategy(order="scan")
        found = forecast(study, scan, Probe(scan, {"scan": 1000.0}))
        assert 0 < found["seconds"] < math.inf and found["bytes"] > 0
        assert 0 < found["members"] < found["examples"]
        assert study.name in render_forecast(found)
        matrix = study.membership(found["examples"]).matrix
        assert matrix.shape == (study.split.models, found["examples"]) and matrix.dtype == bool
        assert len({*matrix.sum(axis=1).tolist()}) == 1
