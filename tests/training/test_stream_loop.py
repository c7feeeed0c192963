"""Training on a stream is training in memory: in order, in numbers, on devices and after a kill."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from prepared import LABELLED, prepare

from pptp_jax.data import Arrays, Augmentation, Stream, Tfds
from pptp_jax.models import Model, Variables, from_linen
from pptp_jax.objectives import AdversarialRegularisation, RelaxLoss, TaskLoss
from pptp_jax.training import (
    SGD,
    Checkpoint,
    Metrics,
    Phase,
    Poisson,
    Private,
    Recipe,
    RewindWeights,
    Strategy,
    StreamExecution,
    StreamProgress,
    Trainer,
    cwrf,
    dmp,
    dp_sgd,
    freeze,
    make_train,
    selena,
    train_streamed,
    undefended,
    whole_network,
)
from pptp_jax.training.schedule import Position
from pptp_jax.training.stream_programs import (
    StreamRules,
    name_of_training,
    start_streamed,
    streamed_step,
)

pytestmark = pytest.mark.usefixtures("compile_in_haste")


class _Net(nn.Module):
    normed: bool

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Dense(6, name="stem")(x.reshape(len(x), -1))
        if self.normed:
            x = nn.BatchNorm(not train, name="norm")(x)
        return nn.Dense(3, name="head")(nn.relu(x))


NORMED = from_linen(_Net(True), ["stem", "norm", "head"])
PLAIN = from_linen(_Net(False), ["stem", "head"])
AUGMENTATION = Augmentation(flip=True, shift=1)
BATCH = 8
MEMBERS = np.random.default_rng(1).permutation(60)[:36]  # four batches, and a rest
REFERENCE = np.arange(60, 90)
KEY = jax.random.key(3)
OTHERS = Arrays(
    jnp.zeros((1, 4, 4, 1), jnp.uint8), jnp.zeros(1, int), jnp.float32(1), jnp.arange(0)
)
# Of two phases, in whose second a region rests.
FROZEN = freeze("stem", after=2, more=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Tfds:
    noise = np.random.default_rng(0).integers(0, 256, (60, 4, 4), np.uint8)
    root = prepare(tmp_path_factory.mktemp("tfds"), LABELLED, noise.__getitem__, train=60, test=30)
    return Tfds("tiny", splits=("train", "test"), data_dir=str(root))


@pytest.fixture(scope="module")
def stream(source: Tfds) -> Stream:
    return replace(source.stream(ahead=2), augmentation=AUGMENTATION)


def streamed(
    model: Model,
    recipe: Recipe,
    stream: Stream,
    *,
    members: np.ndarray = MEMBERS,
    batch_size: int = BATCH,
    optimizer: SGD | None = None,
    **execution: Any,
) -> tuple[Variables, Metrics]:
    return train_streamed(
        model,
        recipe,
        stream,
        members,
        key=KEY,
        optimizer=optimizer,
        batch_size=batch_size,
        execution=StreamExecution(**execution),
    )


CASES = {
    "two phases, batch norm": (NORMED, FROZEN),
    "reference examples in each batch": (
        PLAIN,
        whole_network(AdversarialRegularisation(weight=2.0, hidden=(4,)), 2),
    ),
    "reference examples first": (
        PLAIN,
        Recipe(
            name="pretrained",
            phases=(
                Phase(epochs=1, objectives=TaskLoss(), examples="reference"),
                Phase(epochs=1, objectives=RelaxLoss(alpha=0.5)),
            ),
        ),
    ),
    "private": (PLAIN, dp_sgd(Private(noise_multiplier=1.0), epochs=1)),
}
SHARED = {"two phases, batch norm", "reference examples in each batch"}


@pytest.mark.parametrize("name", CASES)
def test_streamed_training_is_that_in_memory(name: str, source: Tfds, stream: Stream) -> None:
    model, recipe = CASES[name]
    data = Arrays.of(source.load(), REFERENCE, AUGMENTATION)
    stream = replace(stream, reference=REFERENCE)
    with jax.numpy_dtype_promotion("standard"):  # optax.adam needs it
        train = jax.jit(make_train(model, recipe, batch_size=BATCH))
        variables, metrics = train(KEY, data, jnp.asarray(MEMBERS))
        ours, told = streamed(model, recipe, stream)
        if name in SHARED:
            shared, _ = streamed(model, recipe, stream, data_devices=4)
            chex.assert_trees_all_close(shared, variables, rtol=1e-3, atol=1e-4)
    chex.assert_trees_all_close(ours, variables, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(told.loss, metrics.loss, rtol=1e-5)
    assert told.finite and metrics.finite


def test_devices_that_share_a_batch_only_sum_up() -> None:
    """In particular none of them gets the entire batch."""
    trainer, strategy = Trainer(NORMED, None, BATCH), Strategy(order="scan", data_devices=4)
    [phase], mesh = undefended(1).phases, strategy.mesh()
    others = strategy.place(
        Arrays(
            jnp.zeros((1, 4, 4, 1), jnp.uint8), jnp.zeros(1, int), jnp.float32(1), jnp.arange(0)
        ),
        None,
    )
    key = strategy.place(KEY, None)
    spread = jax.NamedSharding(mesh, jax.P("data"))
    x, y = jax.device_put((np.zeros((BATCH, 4, 4, 1), np.uint8), np.zeros(BATCH, int)), spread)
    with jax.set_mesh(mesh):
        rules, first = StreamRules(trainer, SGD()), Position(0, 0, 0, 0)
        state = start_streamed(rules, phase, key, others, None)
        lowered = streamed_step.lower(rules, phase, state, others, (x, y), key, first, 4)
    program = lowered.compile().as_text()
    assert "num_partitions=4" in program
    collectives = r" (all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute)"
    assert set(re.findall(collectives + r"(?:-start)?\(", program)) == {"all-reduce"}


class Watched:
    """A source that notes what it is requested, and how many batches the devices hold."""

    def __init__(self, source) -> None:
        self.source, self.asked, self.alive = source, [], 0

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: int):
        self.asked.append(row)
        batches = [x for x in jax.live_arrays() if x.shape == (BATCH, 4, 4, 1)]
        self.alive = max(self.alive, len(batches))
        return self.source[row]


@pytest.fixture
def watched(stream: Stream) -> Stream:
    return replace(stream, source=Watched(stream.source), ahead=1)


def test_memory_does_not_grow_with_the_data(watched: Stream) -> None:
    ahead = []

    def on_progress(progress: StreamProgress) -> None:
        # The first example was read before any step: to see what it is like, and to begin with.
        ahead.append(len(watched.source.asked) - 2 - BATCH * progress.step)

    streamed(PLAIN, undefended(1), watched, members=np.arange(88), every=1, on_progress=on_progress)
    # Those on the devices, two more, wait no longer.
    assert len(ahead) == 11 and max(ahead) <= BATCH * (watched.ahead + 1) and ahead[-1] == 0
    assert 1 <= watched.source.alive <= 2
    assert set(watched.source.asked) == set(range(88))


@pytest.fixture(scope="module")
def undisturbed(stream: Stream) -> tuple:
    return streamed(NORMED, FROZEN, stream)


class Killed(Exception):
    """In place of a kill."""


def dies(after: int):
    def on_progress(progress: StreamProgress) -> None:
        if 4 * progress.epoch + progress.step == after:
            raise Killed

    return on_progress


kept = partial(streamed, NORMED, FROZEN, every=1)


@pytest.mark.parametrize("after", [1, 3, 5, 9])
def test_what_was_killed_goes_on_from_its_last_step(
    after: int, watched: Stream, undisturbed: tuple, tmp_path: Path
) -> None:
    """Before anything was saved, within an epoch, at an epoch's end, at a phase's: bit for bit."""
    checkpoint = Checkpoint(tmp_path, every=0)
    with pytest.raises(Killed):  # before the step is saved
        kept(watched, checkpoint=checkpoint, on_progress=dies(after))
    anew = replace(watched, source=Watched(watched.source))  # as another process would read it
    told: list[StreamProgress] = []
    resumed = kept(anew, checkpoint=checkpoint, on_progress=told.append)
    chex.assert_trees_all_equal(resumed, undisturbed)
    steps = range(after - 1, 12)
    assert [now[:3] for now in told] == [(step // 4, step % 4 + 1, 4) for step in steps]
    assert len(anew.source.asked) == 2 + BATCH * len(steps)
    losses = [now.loss for now in told if now.step == now.steps]
    np.testing.assert_array_equal(losses, resumed[1].loss[-len(losses) :])


def test_a_stop_saves_and_other_devices_go_on(
    watched: Stream, undisturbed: tuple, tmp_path: Path
) -> None:
    patient = Checkpoint(tmp_path, every=3600)
    asked = iter([False, False, True])
    with pytest.raises(KeyboardInterrupt):
        kept(watched, checkpoint=patient, stop=lambda: next(asked))
    told: list[StreamProgress] = []
    resumed = kept(watched, checkpoint=patient, on_progress=told.append, data_devices=4)
    assert told[0][:2] == (0, 4)
    chex.assert_trees_all_close(resumed, undisturbed, rtol=1e-3, atol=1e-4)


def test_another_training_does_not_go_on_from_there() -> None:
    def name(rate=0.1, alpha=1.0, key=KEY, batch=BATCH, given=(MEMBERS,), others=OTHERS) -> str:
        phases = whole_network(RelaxLoss(alpha=alpha), 1).phases
        rules = StreamRules(Trainer(PLAIN, None, batch), SGD(learning_rate=rate))
        return name_of_training(rules, phases, key, others, given)

    names = [
        name(),
        name(rate=0.2),
        name(alpha=2.0),
        name(key=jax.random.key(4)),
        name(batch=4),
        name(given=(MEMBERS[::-1],)),
        name(others=OTHERS._replace(augmentation=AUGMENTATION)),
    ]
    assert len({*names}) == len(names) and name() == names[0]


def test_divergence_is_reported(stream: Stream) -> None:
    _, metrics = streamed(PLAIN, undefended(1), stream, optimizer=SGD(learning_rate=1e38))
    assert not metrics.finite


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        (selena(1, 1), {}, "selena cannot be streamed: it needs an ensemble, whose parts"),
        (
            cwrf(RewindWeights(share=0.1), TaskLoss(), 1, 1),
            {},
            "cwrf 0.1 cannot be streamed: it needs vulnerable weights",
        ),
        (dmp(1, 1), {}, "dmp cannot be streamed: it needs a teacher's answers for all"),
        (
            dp_sgd(Private(noise_multiplier=1.0), 1, Poisson()),
            {},
            "dp_sgd_poisson cannot be streamed: it needs Poisson batches, which vary in size",
        ),
        (undefended(1), {"batch_size": 64}, "a model has 36 members, too few for one batch of 64"),
        (undefended(1), {"data_devices": 3}, "3 devices cannot share a batch of 8 in equal parts"),
        (undefended(1), {"members": np.arange(80, 91)}, "members must be rows from 0 to 89, of wh"),
        (undefended(1), {"reference": [-1]}, "reference must be rows .* they run from -1 to -1"),
        (undefended(1), {"every": 0}, "every must be an integer of at least 1, got 0"),
        (
            dp_sgd(Private(noise_multiplier=1.0), 1),
            {},
            "the model keeps running statistics of entire batches",
        ),
        (
            whole_network(AdversarialRegularisation(weight=1.0), 1),
            {"reference": np.arange(7)},
            "needs at least 8 reference examples, a batch, and there are 7",
        ),
    ],
)
def test_bad_input(stream: Stream, recipe: Recipe, options: dict, message: str) -> None:
    given = dict(options)
    rows = given.pop("reference", ())
    with pytest.raises(ValueError, match=message):
        streamed(NORMED, recipe, replace(stream, reference=rows), **given)
