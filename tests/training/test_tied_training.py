"""Models that see which examples they train on, against naive loops with masks of NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import BATCH, DATA, INDICES, own_key, watched

from pptp_jax.data import Digits, Stream, absent_rows
from pptp_jax.models import Model, Variables, mlp, resnet8
from pptp_jax.models.tied_dropout import TiedChannels
from pptp_jax.objectives import AdversarialRegularisation, Mixup
from pptp_jax.regions import Block
from pptp_jax.study import Study
from pptp_jax.study.overrides import overridden
from pptp_jax.training import (
    SGD,
    Execution,
    Private,
    Strategy,
    check_streamed,
    dp_sgd,
    make_train,
    restored,
    train_fleet,
    train_streamed,
    undefended,
    whole_network,
)
from pptp_jax.training.memory import needed_memory
from pptp_jax.training.unread import unread
from pptp_jax.validation import Refused

pytestmark = pytest.mark.usefixtures("compile_in_haste")

CHANNELS = TiedChannels(general=3, memory=5, owned=2)


def init(key: Any, x: Any) -> Variables:
    stem, head = jax.random.split(key)
    params = {
        "stem": {"w": 0.2 * jax.random.normal(stem, (64, 8))},
        "head": {"w": 0.5 * jax.random.normal(head, (8, 10))},
    }
    return Variables(params, {})


def apply(params: Any, state: Any, x: Any, *, train: Any, key: Any, rows: Any = None) -> Any:
    hidden = jax.nn.relu(x.reshape(len(x), -1) @ params["stem"]["w"])
    return CHANNELS.on(hidden, rows if train else None) @ params["head"]["w"], state


BLOCKS = (Block("stem", "stem/.*"), Block("head", "head/.*"))
MODEL = Model(init, apply, BLOCKS, sees_rows=True)
MASKS = np.ones((len(DATA.y), 8), np.float32)
MASKS[:, 3:] = CHANNELS.owned_by(jnp.arange(len(DATA.y)))


@jax.jit
def slope(params: Any, rows: Any, masks: Any) -> Any:
    def loss(params: Any) -> Any:
        x = DATA.inputs(rows).reshape(len(rows), -1)
        logits = (jax.nn.relu(x @ params["stem"]["w"]) * masks) @ params["head"]["w"]
        return -jax.nn.log_softmax(logits)[jnp.arange(len(rows)), DATA.y[rows]].mean()

    return jax.grad(loss)(params)


def begun(model: int) -> Any:
    return init(jax.random.fold_in(own_key(model), 0), None).params


def naive(model: int, epochs: int, members: np.ndarray) -> Any:
    """SGD of rate .1 and momentum .9; each example has its own mask in every epoch."""
    params = begun(model)
    velocity = jax.tree.map(np.zeros_like, params)
    for epoch in range(epochs):
        shuffle, _ = jax.random.split(jax.random.fold_in(own_key(model), epoch + 1))
        order = np.asarray(jax.random.permutation(shuffle, len(members)))
        for step in range(len(members) // BATCH):
            rows = members[order[step * BATCH : (step + 1) * BATCH]]
            grads = slope(params, rows, MASKS[rows])
            velocity = jax.tree.map(lambda v, g: np.float32(0.9 * v + g), velocity, grads)
            params = jax.tree.map(lambda w, v: np.float32(w - 0.1 * v), params, velocity)
    return params


def close(found: Any, expected: Any) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=5e-6), found, expected)


@pytest.fixture(scope="module")
def fleet() -> Variables:
    return watched(undefended(3), MODEL, optimizer=SGD(schedule="constant"))[3]


@pytest.mark.parametrize("model", [0, 1])
def test_every_epoch_gives_an_example_the_channels_of_its_row(fleet: Variables, model: int) -> None:
    found = jax.tree.map(lambda leaf: leaf[model], fleet.params)
    close(found, naive(model, 3, INDICES[model]))
    # Without the masks it is another network.
    MASKED, MASKS[:] = MASKS.copy(), 1
    other = naive(model, 3, INDICES[model])
    MASKS[:] = MASKED
    assert np.abs(other["head"]["w"] - found["head"]["w"]).max() > 1e-2


@pytest.mark.parametrize(
    "strategy", [Strategy(order="vmap"), Strategy(order="scan", data_devices=2)]
)
def test_side_by_side_and_alone_it_is_the_same(fleet: Variables, strategy: Strategy) -> None:
    execution = Execution(groups=[(0, 1)], strategy=strategy)
    options: Any = {"batch_size": BATCH, "optimizer": SGD(schedule="constant")}
    [found] = train_fleet(MODEL, undefended(3), DATA, INDICES, execution=execution, **options)
    close(found.variables.params, fleet.params)


def test_an_absent_example_owns_the_channels_of_its_row() -> None:
    """Half of a batch of 40 gives no gradient; the others do, and have their own channels."""
    members = INDICES[0].copy()
    members[::2] = absent_rows(members[::2])
    train = make_train(MODEL, undefended(1), batch_size=40, places=True)
    found, _ = jax.jit(train)(own_key(0), DATA, members)
    rows = members[1::2]
    step = slope(begun(0), rows, MASKS[rows])
    close(found.params, jax.tree.map(lambda w, g: w - 0.05 * g, begun(0), step))


def test_private_training_clips_what_each_example_gives_through_its_own_channels() -> None:
    private = dp_sgd(Private(noise_multiplier=0.0, max_norm=0.5, microbatch_size=10), epochs=1)
    found = watched(private, MODEL, batch_size=40)[1].params
    total = jax.tree.map(np.zeros_like, begun(0))
    for row in INDICES[0]:
        grads = slope(begun(0), np.array([row]), MASKS[[row]])
        norm = np.sqrt(sum((np.asarray(leaf) ** 2).sum() for leaf in jax.tree.leaves(grads)))
        total = jax.tree.map(lambda t, g, n=norm: t + g * min(1, 0.5 / max(n, 1e-9)), total, grads)
    expected = jax.tree.map(lambda w, t: w - 0.1 * t / 40, begun(0), total)
    close(jax.tree.map(lambda leaf: leaf[0], found), expected)


def test_reference_examples_of_a_batch_own_channels_as_well() -> None:
    """What the network is given besides the batch's inputs has a row for each of them."""
    seen: list[Any] = []

    def watching(params: Any, state: Any, x: Any, *, train: Any, key: Any, rows: Any = None) -> Any:
        if train:
            jax.debug.callback(lambda x, rows: seen.append((x, rows)), x, rows)
        return apply(params, state, x, train=train, key=key, rows=rows)

    recipe = whole_network(AdversarialRegularisation(weight=1.0, hidden=(4,)), 1)
    model = Model(init, watching, BLOCKS, sees_rows=True)
    jax.block_until_ready(
        jax.jit(make_train(model, recipe, batch_size=BATCH))(own_key(0), DATA, INDICES[0])
    )
    jax.effects_barrier()
    assert len(seen) == 2
    for x, rows in seen:
        np.testing.assert_array_equal(x, DATA.inputs(jnp.asarray(rows)))
        assert set(rows[:BATCH].tolist()) <= {*INDICES[0].tolist()}
        assert set(rows[BATCH:].tolist()) <= {*DATA.reference.tolist()} and len(rows) == 2 * BATCH


def test_what_looks_at_a_model_before_training_gives_it_rows() -> None:
    assert unread(MODEL, DATA.inputs(slice(0, 2))) == set()
    tied, plain = (resnet8(width=4, tied_dropout=s) for s in ((0.5, 0.5), None))
    memory = [needed_memory(model, DATA, BATCH, 2) for model in (tied, plain)]
    assert memory[0] > memory[1] > 0


def test_a_region_goes_back_in_a_model_that_sees_rows() -> None:
    recipe = restored(2, to=1, more=1, region="stem")
    seen = watched(recipe, MODEL)
    np.testing.assert_array_equal(seen[3].params["stem"]["w"], seen[1].params["stem"]["w"])


def test_shares_are_set_from_outside() -> None:
    study = Study(
        name="s", data=Digits(), model=resnet8(width=4), recipes=(undefended(1),), batch_size=32
    )
    changed = overridden(study, ["model.tied_dropout=0.5,0.1"])
    assert changed.model.config["tied_dropout"] == (0.5, 0.1) and changed.model.sees_rows
    assert not overridden(changed, ["model.tied_dropout=none"]).model.sees_rows
    with pytest.raises(Refused, match="must be a number, or several with commas between them"):
        overridden(study, ["model.tied_dropout=half"])


def test_what_knows_no_rows_is_refused_before_training() -> None:
    mixing = whole_network(Mixup(alpha=0.4), 1)
    with pytest.raises(Refused, match=r"mixes examples, and the model gives each .* of its own"):
        watched(mixing, MODEL)
    stream = Stream(name="s", source=[*zip(DATA.x, DATA.y, strict=True)], num_classes=10)
    with pytest.raises(Refused, match=r"cannot be streamed with this model, .* train_fleet"):
        train_streamed(MODEL, undefended(1), stream, INDICES[0], key=own_key(0))
    check_streamed(undefended(1), mlp([4], num_classes=10))
