"""Any optimiser of optax trains; anything else is refused with a message."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import optax
import pytest
from small import BATCH, CE, DATA, INDICES, MODEL, own_key, watched

from pptp_jax.audit import CanaryAudit
from pptp_jax.data import Digits, Stream
from pptp_jax.fleets import FleetSpec, fingerprint
from pptp_jax.regions import RegionMap
from pptp_jax.study import Study
from pptp_jax.training import (
    SGD,
    AdamW,
    Phase,
    Recipe,
    annealed,
    make_train,
    phase_optimizer,
    train_streamed,
    undefended,
)
from pptp_jax.training.batched_programs import epoch_of_group
from pptp_jax.training.phase_transform import transform

TWO_PHASES = Recipe(
    name="twice", phases=(Phase(epochs=1, objectives=CE), Phase(epochs=2, objectives=CE))
)
OURS = SGD(schedule="constant")


def theirs() -> optax.GradientTransformation:
    return optax.sgd(0.1, momentum=0.9)


def assert_close(left: Any, right: Any) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), left, right)


@pytest.mark.parametrize("optimizer", [theirs(), lambda steps: theirs()], ids=["as it is", "made"])
def test_an_optax_transform_trains_a_fleet_as_ours_does(optimizer: Any) -> None:
    """In each phase its state begins again, as that of ours."""
    own, other = (watched(TWO_PHASES, optimizer=o) for o in (OURS, optimizer))
    for epoch in (1, 2, 3):
        assert_close(own[epoch], other[epoch])


def test_one_model_in_memory_or_streamed_takes_a_transform() -> None:
    tx, fleet = theirs(), watched(undefended(2), optimizer=OURS)[2]
    train = jax.jit(make_train(MODEL, undefended(2), tx, batch_size=BATCH))
    alone, _ = train(own_key(1), DATA, INDICES[1])
    assert_close(alone, jax.tree.map(lambda leaf: leaf[1], fleet))
    digits = Digits().load(lambda n: np.arange(120))
    source = list(zip(digits.x, digits.y, strict=True))
    stream = Stream(name="digits", source=source, num_classes=10, scale=1 / 16)
    streamed, _ = train_streamed(
        MODEL, undefended(2), stream, INDICES[1], key=own_key(1), optimizer=tx, batch_size=BATCH
    )
    assert_close(streamed, alone)


def test_phases_of_one_structure_compile_once() -> None:
    tx = optax.chain(optax.clip_by_global_norm(1.0), theirs())
    before = epoch_of_group._cache_size()
    watched(TWO_PHASES, optimizer=tx)
    watched(undefended(1), optimizer=tx)
    assert epoch_of_group._cache_size() == before + 1


def made(optimizer: Any) -> str:
    spec = FleetSpec(
        model=MODEL,
        recipe=undefended(1),
        data=Digits().load(lambda n: np.arange(120)),
        members=INDICES,
        optimizer=optimizer,
        batch_size=BATCH,
    )
    with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its count
        return fingerprint(spec)


def test_the_fingerprint_sees_numbers_that_no_field_shows() -> None:
    """They are in closures; the lowered program has them."""
    first = made(optax.adam(1e-3))
    assert first == made(optax.adam(1e-3))
    assert first != made(optax.adam(1e-4))
    assert first != made(optax.adam(1e-3, b2=0.99))


WRONG: list[tuple[Any, str]] = [
    ("adam", "optimizer must be .*got '?(str|adam)"),
    (SGD, "optimizer must be .*got (the class )?SGD"),
    (optax.MultiSteps(optax.sgd(0.1), 2), "optimizer must be .*got (a )?MultiSteps"),
    (optax.adam, r"such as optax.adam\(1e-3\), not adam itself"),
    (lambda steps: None, "must make an optax transform of a number of steps, got a NoneType"),
    (lambda: optax.sgd(0.1), "fails for a number of steps: .* 0 positional arguments"),
    (optax.cosine_decay_schedule(0.1, 10), "got a .*Array"),
]


@pytest.mark.parametrize(("optimizer", "message"), WRONG)
def test_what_is_no_optimiser_is_refused_as_a_study_is_made(optimizer: Any, message: str) -> None:
    things = {"name": "s", "data": Digits(), "model": MODEL, "recipes": (undefended(1),)}
    entrances: list[Callable[[], Any]] = [
        lambda: Study(**things, optimizer=optimizer),
        lambda: CanaryAudit(**things, optimizer=optimizer),
        lambda: make_train(MODEL, undefended(1), optimizer),
        lambda: phase_optimizer(optimizer),
    ]
    for entrance in entrances:
        with pytest.raises(ValueError, match=message):
            entrance()


def test_a_study_takes_a_transform_and_keeps_it() -> None:
    tx = optax.adam(1e-3)
    study = Study(name="s", data=Digits(), model=MODEL, recipes=(undefended(1),), optimizer=tx)
    assert replace(study, batch_size=32).optimizer is tx


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_adamw_is_that_of_optax(schedule: str) -> None:
    """With a schedule that optax writes down itself."""
    steps = 2 * (INDICES.shape[1] // BATCH)
    rate = 0.01 if schedule == "constant" else optax.linear_schedule(0.01, 0.0, steps)
    shortened = optax.chain(
        optax.clip_by_global_norm(0.5), optax.adamw(rate, b1=0.8, b2=0.99, weight_decay=0.1)
    )
    ours = AdamW(
        learning_rate=0.01, weight_decay=0.1, max_norm=0.5, schedule=schedule, b1=0.8, b2=0.99
    )
    with jax.numpy_dtype_promotion("standard"):
        own, other = (watched(undefended(2), optimizer=o)[2] for o in (ours, shortened))
    assert_close(own, other)


def test_adamw_decays_a_region_by_itself() -> None:
    """The decay does not pass through the moments: what it takes off is rate times λ times w."""
    blocks = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
    phase = Phase(epochs=1, objectives=CE, weight_decay={"protect": 0.5})
    params = {"stem": {"w": np.float32([2.0])}, "head": {"w": np.float32([2.0])}}
    none = jax.tree.map(np.zeros_like, params)
    with jax.numpy_dtype_promotion("standard"):
        tx = transform(AdamW(learning_rate=0.1, schedule="constant"), phase, 4, blocks, None, 1)
        updates, _ = tx.update(none, tx.init(params), params)
    np.testing.assert_allclose(updates["stem"]["w"], [-0.1])
    np.testing.assert_allclose(updates["head"]["w"], [0.0])


def test_adamw_anneals_and_its_numbers_compile_once() -> None:
    recipe = annealed(1, anneal=1)
    before = epoch_of_group._cache_size()
    with jax.numpy_dtype_promotion("standard"):
        fleets = [watched(recipe, optimizer=AdamW(learning_rate=rate)) for rate in (1e-3, 1e-2)]
    assert epoch_of_group._cache_size() == before + 2  # a trunk and an anneal
    first, second = (jax.tree.leaves(fleet[2])[0] for fleet in fleets)
    assert not np.allclose(first, second)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be .*, got 0"),
        ({"b1": 1.5}, "b1 must lie between 0 and 1, got 1.5"),
        ({"weight_decay": -1.0}, "weight_decay must .*, got -1"),
        ({"schedule": "triangle"}, "schedule 'triangle' is unknown"),
    ],
)
def test_bad_numbers_of_adamw(numbers: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdamW(**numbers)
