"""Regions that go back to an earlier epoch, against a naive loop that keeps copies."""

from pathlib import Path
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import numpy as np
import pytest
from small import BATCH, CE, DATA, INDICES, MODEL, initial, of, own_key, slope, watched

from pptp_jax.data import Stream
from pptp_jax.evaluation.method import method
from pptp_jax.models import Variables, from_equinox, from_linen
from pptp_jax.regions import RegionMap, protect
from pptp_jax.training import (
    SGD,
    Branch,
    Checkpoint,
    Ensemble,
    Execution,
    FromScratch,
    Phase,
    Recipe,
    Restore,
    Rewind,
    Strategy,
    StreamExecution,
    annealed,
    averaged,
    decay,
    forked,
    freeze,
    make_train,
    restored,
    train_fleet,
    train_streamed,
)
from pptp_jax.training.restoration import restored_region
from pptp_jax.validation import Refused

pytestmark = pytest.mark.usefixtures("compile_in_haste")

STEPS = INDICES.shape[1] // BATCH


def descended(
    params: Any, model: int, begun: int, epochs: int, still: tuple[str, ...] = (), **rule: Any
) -> list[Any]:
    """The parameters after each epoch of SGD with rate .1 and momentum .9, some blocks frozen."""
    velocity, seen = jax.tree.map(np.zeros_like, params), []
    for epoch in range(epochs):
        shuffle, _ = jax.random.split(jax.random.fold_in(own_key(model), begun + epoch + 1))
        order = np.asarray(jax.random.permutation(shuffle, INDICES.shape[1]))
        for step in range(STEPS):
            done = (epoch * STEPS + step) / (epochs * STEPS)
            rate = 0.1 * (1 - done) if rule.get("falling") else 0.1
            rows = INDICES[model][order[step * BATCH : (step + 1) * BATCH]]
            grads = slope(CE, params, rows, None, 0)
            own = rule.get("decay", 0.0)
            grads = jax.tree.map(lambda g, w, own=own: np.asarray(g) + own * w, grads, params)
            velocity = jax.tree.map(lambda v, g: np.float32(0.9 * v + g), velocity, grads)
            moved = jax.tree.map(lambda w, v, r=rate: np.float32(w - r * v), params, velocity)
            params = moved | {block: params[block] for block in still}
        seen.append(params)
    return seen


def close(found: Any, expected: Any) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), found, expected)


# What is frozen in the phase behind: all else, or the region.
@pytest.mark.parametrize(("learns", "still"), [("rest", ("stem",)), ("region", ("stage1", "head"))])
def test_a_region_goes_back_and_one_part_learns_on(learns: Any, still: tuple[str, ...]) -> None:
    recipe = restored(decay(3, 0.05), to=1, more=2, region="stem", learns=learns)
    fleet = watched(recipe)
    for model in range(2):
        trunk = descended(initial(model).params, model, 0, 3, decay=0.05)
        behind = trunk[2] | {"stem": trunk[0]["stem"]}
        end = descended(behind, model, 3, 2, still, falling=True, decay=0.05)[-1]
        close(of(fleet[5], model), end)
        # Far from what it would be without going back.
        on = descended(trunk[2], model, 3, 2, still, falling=True, decay=0.05)[-1]
        assert np.abs(on["stem"]["kernel"] - end["stem"]["kernel"]).max() > 1e-3
    alone, metrics = jax.jit(make_train(MODEL, recipe, batch_size=BATCH))(
        own_key(1), DATA, INDICES[1]
    )
    close(alone.params, of(fleet[5], 1))
    assert metrics.loss.shape == (5,)


# Filled up with a copy; on a device each; with the batches of both on two devices.
@pytest.mark.parametrize(
    ("strategy", "width"),
    [
        (Strategy(order="vmap"), 3),
        (Strategy(order="vmap", devices=2), None),
        (Strategy(order="scan", data_devices=2), None),
    ],
)
def test_models_side_by_side_are_what_they_are_one_after_another(
    strategy: Strategy, width: int | None
) -> None:
    recipe = restored(2, to=1, more=1, region="stem")
    [together] = train_fleet(
        MODEL,
        recipe,
        DATA,
        INDICES,
        batch_size=BATCH,
        execution=Execution(groups=[(0, 1)], strategy=strategy, width=width),
    )
    close(together.variables.params, watched(recipe)[3].params)


def test_two_regions_go_back_to_epochs_of_their_own_in_any_phase() -> None:
    """Phases by hand: what a fork or an average leaves can be gone back to as well."""
    regions = {"first": ("stem",), "second": ("stage1",)}
    trunk = (
        Phase(epochs=1, objectives=CE, schedule="constant"),
        *forked(1, anneal=1, parts=2).phases[1:],
        *averaged(1, more=1).phases[1:],
    )
    back = (Restore(region="second", after=2), Restore(region="first", after=1))
    end = Phase(epochs=1, objectives=CE, start=back, frozen=("first", "second"))
    recipe = Recipe(name="mine", phases=(*trunk, end), region=regions)
    assert [recipe.kept(n) for n in range(5)] == [(), (1,), (1, 2), (1, 2), ()]
    seen = watched(recipe)
    for i in range(2):
        after = {epochs: of(networks, i) for epochs, networks in seen.items()}
        np.testing.assert_array_equal(after[4]["stem"]["kernel"], after[1]["stem"]["kernel"])
        np.testing.assert_array_equal(after[4]["stage1"]["kernel"], after[2]["stage1"]["kernel"])
        assert (after[3]["stem"]["kernel"] != after[1]["stem"]["kernel"]).any()


def test_from_scratch_around_a_region_of_an_earlier_epoch() -> None:
    start = (FromScratch(), Restore(region="protect", after=1))
    phases = (
        Phase(epochs=2, objectives=CE),
        Phase(epochs=1, objectives=CE, start=start, frozen=("general",)),
    )
    seen = watched(Recipe(name="mine", phases=phases, region="stem"))
    for name in ("stage1", "head"):
        own = of(seen[3], 1)[name]["kernel"]
        np.testing.assert_array_equal(own, initial(1).params[name]["kernel"])


class _Net(nn.Module):
    @nn.compact
    def __call__(self, x: Any, *, train: Any) -> Any:
        def learns(name: str) -> bool:
            return train if isinstance(train, bool) else name in train

        x = nn.Dense(6, name="stem")(x.reshape(len(x), -1))
        x = nn.BatchNorm(not learns("norm"), momentum=0.5, name="norm")(x)
        x = nn.Dense(6, name="middle")(nn.relu(x))
        x = nn.BatchNorm(not learns("last"), momentum=0.5, name="last")(x)
        return nn.Dense(10, name="head")(nn.relu(x))


NORMED = from_linen(_Net(), ["stem", "norm", "middle", "last", "head"])


def test_running_statistics_of_the_region_go_back_with_it() -> None:
    recipe = restored(3, to=1, more=1, region=("middle", "last"))
    seen = watched(recipe, NORMED)
    stats = {epochs: networks.state["batch_stats"] for epochs, networks in seen.items()}
    for name in ("mean", "var"):
        np.testing.assert_array_equal(stats[4]["last"][name], stats[1]["last"][name])
        assert (stats[3]["last"][name] != stats[1]["last"][name]).all()
        assert (stats[4]["norm"][name] != stats[3]["norm"][name]).all()


def test_statistics_belong_to_the_parameters_of_their_module() -> None:
    def network(value: float) -> Variables:
        params = {
            "a": {"conv": {"kernel": value}, "norm": {"scale": value, "bias": value}},
            "b": {"inner": {"kernel": value}},
        }
        stats = {"a": {"norm": {"mean": value}}, "b": {"inner": {"bare": {"mean": value}}}}
        return Variables(params, {"batch_stats": stats})

    def means(*rules: tuple[str, str]) -> tuple[float, float]:
        regions = RegionMap.from_rules([*((rule, "back") for rule, _ in rules), (".*", "rest")])
        stats = restored_region(network(2.0), network(1.0), regions, "back").state["batch_stats"]
        return stats["a"]["norm"]["mean"], stats["b"]["inner"]["bare"]["mean"]

    assert means(("a/conv/.*", "")) == (2.0, 2.0)
    assert means(("a/norm/scale", "")) == (2.0, 2.0)  # its bias stays
    assert means(("a/norm/.*", "")) == (1.0, 2.0)
    assert means(("b/.*", "")) == (2.0, 1.0)  # a norm without parameters goes with its parent


def test_statistics_without_a_path_are_refused_before_training() -> None:
    class Net(eqx.Module):
        stem: eqx.nn.Linear
        norm: eqx.nn.BatchNorm
        head: eqx.nn.Linear

        def __init__(self, key: Any) -> None:
            self.stem = eqx.nn.Linear(64, 4, key=key)
            self.norm = eqx.nn.BatchNorm(4, "batch", mode="batch")
            self.head = eqx.nn.Linear(4, 10, key=key)

        def __call__(self, x: Any, state: Any) -> Any:
            x, state = self.norm(self.stem(x.reshape(-1)), state)
            return self.head(x), state

    model = from_equinox(Net, ["stem", "norm", "head"])
    train = make_train(model, restored(2, to=1, more=1, region="stem"), batch_size=BATCH)
    with pytest.raises(Refused, match=r"statistics state/0 stand at no path .* Linen or NNX"):
        jax.eval_shape(train, own_key(0), DATA, INDICES[0])


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_a_killed_training_goes_on_bit_for_bit(tmp_path: Path, stop: int) -> None:
    recipe = restored(3, to=1, more=2, region="stem")

    def run(where: Path, **execution: Any) -> Variables:
        [found] = train_fleet(
            NORMED,
            recipe,
            DATA,
            INDICES,
            batch_size=BATCH,
            execution=Execution(
                groups=[(0, 1)], checkpoint=lambda _: Checkpoint(where, arrays=True), **execution
            ),
        )
        return found.variables

    count = iter(range(1, 9))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", stop=lambda: next(count) == stop)
    epochs: list[int] = []
    again = run(tmp_path / "killed", on_progress=lambda now: epochs.append(now.epoch))
    assert epochs == list(range(stop + 1, 6))
    alone = watched(recipe, NORMED)[5]
    jax.tree.map(np.testing.assert_array_equal, again, alone)


STREAM = Stream(
    name="digits",
    source=[*zip(DATA.x, DATA.y, strict=True)],
    num_classes=10,
    scale=float(DATA.scale),
)


@pytest.mark.parametrize("stop", [3, 6])
def test_a_streamed_training_goes_back_too_and_survives_a_kill(tmp_path: Path, stop: int) -> None:
    """Two steps an epoch: killed within the trunk, and at its end."""
    recipe = restored(3, to=1, more=2, region="stem")

    def run(recipe: Recipe, **execution: Any) -> Variables:
        return train_streamed(
            MODEL,
            recipe,
            STREAM,
            INDICES[0],
            key=own_key(0),
            batch_size=BATCH,
            execution=StreamExecution(
                checkpoint=Checkpoint(tmp_path, arrays=True), every=1, **execution
            ),
        )[0]

    count = iter(range(1, 99))
    with pytest.raises(KeyboardInterrupt):
        run(recipe, stop=lambda: next(count) == stop)
    seen: list[int] = []
    close(run(recipe, on_progress=seen.append).params, of(watched(recipe)[5], 0))
    assert len(seen) == 10 - stop
    if stop == 3:  # what goes back to another epoch does not go on from the same state
        other = restored(3, to=2, more=2, region="stem")
        close(run(other, on_progress=seen.append).params, of(watched(other)[5], 0))
        assert len(seen) == 10 - stop + 10


def test_names_tell_recipes_apart() -> None:
    recipes = [
        restored(30, to=7, more=3, region="head"),
        restored(30, to=14, more=3, region="head"),
        restored(decay(30, 0.005), to=7, more=3, region="head"),
        restored(30, to=7, more=3, region="head", learns="region"),
        annealed(restored(30, to=7, more=3, region="head"), anneal=3),
    ]
    assert [recipe.slug for recipe in recipes] == [
        "restored_30+3@7_head",
        "restored_30+3@14_head",
        "restored_decay_30+3@7_head_weight_decay_0.005",
        "relearned_30+3@7_head",
        "annealed_restored_30+3@7+3_head",
    ]
    # The epoch is a dial of one method.
    assert len({method(recipe) for recipe in recipes}) == 4
    end = recipes[2].phases[-1]
    assert (end.schedule, end.weight_decay, end.frozen) == ("linear", 0.005, ("protect",))
    [trunk, constant, anneal] = recipes[4].phases
    assert [p.schedule for p in (trunk, constant, anneal)] == ["constant", "constant", "linear"]
    assert [len(p.start) for p in (trunk, constant, anneal)] == [0, 1, 0]
    assert anneal.frozen == ("protect",)


def test_what_cannot_go_back_is_refused() -> None:
    def mine(*start: Any, trunk: tuple[Phase, ...] = (Phase(epochs=3, objectives=CE),)) -> Recipe:
        end = Phase(epochs=1, objectives=CE, start=start)
        return Recipe(name="mine", phases=(*trunk, end), region="stem")

    for to in (3, 4):
        with pytest.raises(Refused, match=f"trunk before its last, 1 to 2, got {to}"):
            restored(3, to=to, more=1, region="stem")
    with pytest.raises(Refused, match="to must be an integer of at least 1, got 0"):
        restored(3, to=0, more=1, region="stem")
    with pytest.raises(Refused, match="more must be an integer of at least 1, got 0"):
        restored(3, to=1, more=0, region="stem")
    with pytest.raises(Refused, match="learns 'regions' is unknown; did you mean 'region'"):
        restored(3, to=1, more=1, region="stem", learns="regions")  # type: ignore[arg-type]
    with pytest.raises(Refused, match=r"ends with the region frozen, so nothing would learn"):
        restored(freeze("stem", 2, 2), to=1, more=1, region="stem", learns="region")
    with pytest.raises(Refused, match=r"has the region 'stem', .* got 'head'"):
        restored(freeze("stem", 2, 2), to=1, more=1, region="head")
    with pytest.raises(Refused, match="after must be an integer of at least 1, got 0"):
        Restore(region="protect", after=0)
    with pytest.raises(Refused, match=r"after epoch 3, .* when 3 epochs .* one, 1 to 2"):
        mine(Restore(region="protect", after=3))
    with pytest.raises(Refused, match="the region protect is taken back twice"):
        mine(Restore(region="protect", after=1), Rewind("protect"))
    with pytest.raises(Refused, match="region 'protct' is unknown; did you mean 'protect'"):
        mine(Restore(region="protct", after=1)).regions(MODEL)
    scratch = Phase(epochs=2, objectives=CE, start=(FromScratch(),))
    apart = Phase(epochs=1, objectives=CE, ensemble=Ensemble(models=3, left_out=1))
    with pytest.raises(Refused, match="after epoch 1, and an ensemble was trained since"):
        mine(Restore(region="protect", after=1), trunk=(apart, scratch))
    assert mine(Restore(region="protect", after=2), trunk=(apart, scratch)).kept(3) == (2,)
    with pytest.raises(Refused, match="names regions in a phase: give it a region"):
        Recipe(name="mine", phases=mine(Restore(region="protect", after=1)).phases)
    with pytest.raises(Refused, match="this one has something to rewind"):
        Phase(epochs=1, objectives=CE, ensemble=Ensemble(), start=(Restore(region="p", after=1),))
    recipe = restored(3, to=1, more=1, region="stem")
    with pytest.raises(Refused, match="has regions that go back to an earlier epoch: train it by"):
        recipe.transforms(SGD(), protect("stem", MODEL.blocks), steps_per_epoch=2)
    branch = Branch(1, jax.tree.map(lambda leaf: leaf[None], initial(0)), np.zeros((1, 3)))
    with pytest.raises(Refused, match=r"after the epochs \[1\], .* brings 0 of these"):
        next(
            train_fleet(
                MODEL,
                recipe,
                DATA,
                INDICES[:1],
                batch_size=BATCH,
                execution=Execution(start=lambda _: branch),
            )
        )
