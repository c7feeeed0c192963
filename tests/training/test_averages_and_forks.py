"""Averages along the steps, and copies on parts of the members, against naive loops."""

from typing import Any

import flax.linen as nn
import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import BATCH, CE, DATA, INDICES, MODEL, initial, of, own_key, slope, watched

from pptp_jax.models import Variables, from_linen
from pptp_jax.regions import protect
from pptp_jax.training import (
    Average,
    Ensemble,
    Fork,
    Phase,
    Private,
    Recipe,
    annealed,
    averaged,
    check_members,
    check_streamed,
    decay,
    forked,
    make_train,
    selena,
    split,
    undefended,
)
from pptp_jax.training.averages import Averaged
from pptp_jax.validation import Refused

pytestmark = pytest.mark.usefixtures("compile_in_haste")

REGIONS = protect("stem", MODEL.blocks)


def steps_of(
    params: Any, key: Any, members: np.ndarray, epochs: int, begun: int, falling: bool = False
) -> list[Any]:
    """The parameters after each step of SGD with rate .1 and momentum .9."""
    velocity, seen = jax.tree.map(np.zeros_like, params), []
    steps = len(members) // BATCH
    for epoch in range(epochs):
        shuffle, _ = jax.random.split(jax.random.fold_in(key, begun + epoch + 1))
        order = np.asarray(jax.random.permutation(shuffle, len(members)))
        for step in range(steps):
            left = 1 - (epoch * steps + step) / (epochs * steps) if falling else 1.0
            rows = members[order[step * BATCH : (step + 1) * BATCH]]
            grads = slope(CE, params, rows, None, 0)
            velocity = jax.tree.map(lambda v, g: np.float32(0.9 * v + g), velocity, grads)
            params = jax.tree.map(
                lambda w, v, left=left: np.float32(w - 0.1 * left * v), params, velocity
            )
            seen.append(params)
    return seen


def close(found: Any, expected: Any) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), found, expected)


@pytest.mark.parametrize("model", [0, 1])
def test_swa_is_the_mean_of_the_networks_after_each_step(model: int) -> None:
    trained = of(watched(averaged(1, more=2))[3], model)
    key, members = own_key(model), INDICES[model]
    trunk = steps_of(initial(model).params, key, members, 1, 0)[-1]
    networks = steps_of(trunk, key, members, 2, 1)
    assert len(networks) == 4
    close(trained, jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *networks))


@pytest.mark.parametrize("region", [None, "stem"])
def test_ema_weights_the_past_by_powers_and_may_take_one_region(region: str | None) -> None:
    trained = of(watched(averaged(1, more=2, decay=0.7, region=region))[3], 0)
    key, members = own_key(0), INDICES[0]
    trunk = steps_of(initial(0).params, key, members, 1, 0)[-1]
    networks = [trunk, *steps_of(trunk, key, members, 2, 1)]
    weights = np.array([0.7**4, *(0.3 * 0.7 ** (4 - t) for t in range(1, 5))])
    assert weights.sum() == pytest.approx(1)

    def mean(*leaves: np.ndarray) -> np.ndarray:
        return np.tensordot(weights, np.stack(leaves), 1)

    expected = jax.tree.map(mean, *networks)
    if region:
        expected = networks[-1] | {"stem": expected["stem"]}
    close(trained, expected)


@given(st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=9))
def test_an_average_alone(values: list[float]) -> None:
    """A mean forgets the first network; one that keeps nothing is the last; one that keeps all."""
    for rule, expected in (
        (Average(), np.mean(values)),
        (Average(decay=0.0), values[-1]),
        (Average(decay=1.0), 99.0),
    ):
        found = Averaged.of(Variables({"w": np.float32(99)}, {"count": np.int32(0)}))
        for count, value in enumerate(values, start=1):
            now = Variables({"w": np.float32(value)}, {"count": np.int32(count)})
            found = found.after(rule, now, None)
        assert found.variables.params["w"] == pytest.approx(expected, abs=1e-4)
        assert found.variables.state["count"] == len(values)


@pytest.mark.parametrize("region", [None, "head"])
def test_a_fork_is_the_mean_of_copies_that_share_no_member(region: str | None) -> None:
    anneal = 3
    trained = of(watched(forked(2, anneal, parts=2, region=region))[2 + anneal], 1)
    trunk = steps_of(initial(1).params, own_key(1), INDICES[1], 2, 0)[-1]
    copies = []
    keys = jax.random.split(jax.random.fold_in(own_key(1), 2**31 + 2), 2)
    for part, key in enumerate(keys):
        params = trunk
        if region is None:
            params = steps_of(trunk, key, INDICES[1][part::2], anneal, 2, falling=True)[-1]
            copies.append(params)
    if region is None:
        close(trained, jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *copies))
        return
    moved = {name: bool((trained[name]["kernel"] != trunk[name]["kernel"]).any()) for name in trunk}
    assert moved == {"stem": False, "stage1": False, "head": True}


def test_what_comes_behind_an_average_and_a_fork_goes_on_from_them() -> None:
    """An anneal behind each begins with what the phase before has left, alone as in a fleet."""
    for recipe in (
        annealed(averaged(1, more=1), anneal=1),
        annealed(forked(1, anneal=1, parts=2), anneal=1),
    ):
        assert [phase.fork is None and phase.average is None for phase in recipe.phases] == [
            True,
            False,
            True,
        ]
        fleet = watched(recipe)
        for i in range(2):
            before = of(fleet[2], i)
            key, members = own_key(i), INDICES[i]
            close(of(fleet[3], i), steps_of(before, key, members, 1, 2, falling=True)[-1])
        train = jax.jit(make_train(MODEL, recipe, batch_size=BATCH))
        alone, _ = train(own_key(1), DATA, INDICES[1])
        close(alone.params, of(fleet[3], 1))


class _Normed(nn.Module):
    """Batch norm first, so that its statistics depend on the inputs alone."""

    @nn.compact
    def __call__(self, x: Any, *, train: Any) -> Any:
        norm = nn.BatchNorm(use_running_average=not train, name="norm")
        return nn.Dense(10, name="head")(norm(x.reshape(len(x), -1)))


def test_statistics_of_batch_norm_are_averaged_too() -> None:
    model = from_linen(_Normed(), ["norm", "head"])

    def means(recipe: Recipe, epoch: int, **options: Any) -> np.ndarray:
        return watched(recipe, model, **options)[epoch].state["batch_stats"]["norm"]["mean"]

    steps = [means(undefended(3), epoch, batch_size=40) for epoch in (2, 3)]  # a step an epoch
    found = means(averaged(1, more=2), 3, batch_size=40)
    np.testing.assert_allclose(found, np.mean(steps, axis=0), atol=1e-6)

    before = means(undefended(1), 1)
    own = np.stack([DATA.inputs(rows).reshape(40, -1).mean(axis=0) for rows in INDICES])
    forked_means = means(forked(1, anneal=1), 2)  # a step of each copy, on its half
    np.testing.assert_allclose(forked_means, 0.99 * before + 0.01 * own, atol=1e-6)


def test_rules_that_contradict_each_other_are_refused() -> None:
    def phase(**rules: Any) -> Phase:
        return Phase(epochs=1, objectives=CE, **rules)

    with pytest.raises(Refused, match="region protect cannot be both averaged and frozen"):
        phase(average=Average(regions=("protect",)), frozen=("protect",))
    with pytest.raises(Refused, match="this one has a fork and an average"):
        phase(ensemble=Ensemble(), fork=Fork(), average=Average())
    with pytest.raises(Refused, match=r"a fork's copies .* this one has reference examples"):
        phase(fork=Fork(), examples="reference")
    with pytest.raises(Refused, match="this one has a fork"):
        phase(fork=Fork(), gradient=Private(max_norm=1.0, noise_multiplier=1.0))
    with pytest.raises(Refused, match=r"decay must lie between 0 and 1, got 1.5"):
        averaged(2, more=1, decay=1.5)
    with pytest.raises(Refused, match="parts must be an integer of at least 2"):
        forked(2, parts=1)
    with pytest.raises(Refused, match=r"has the region 'stem', .* got 'head'"):
        forked(decay(2, 0.1, "stem"), region="head")
    with pytest.raises(Refused, match="trains its region by rules of its own"):
        forked(split("stem", CE, 2), region="stem")
    with pytest.raises(Refused, match="cannot be annealed: it ends with a teacher"):
        averaged(selena(1, 1), more=1)
    with pytest.raises(Refused, match=r"a copy of forked 4 has 10 members, too few for one batch"):
        check_members(forked(1, parts=4), 40, BATCH)
    with pytest.raises(Refused, match="a fork, whose copies are trained side by side"):
        check_streamed(forked(1))


def test_regions_that_no_map_has_are_refused() -> None:
    phase = Phase(epochs=1, objectives=CE, average=Average(regions=("stam",)))
    with pytest.raises(Refused, match="stam"):
        Recipe(name="mine", phases=(phase,), region="stem").regions(MODEL)
    assert REGIONS.names == ("protect", "general")
