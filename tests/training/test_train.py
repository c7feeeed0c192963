"""Training one model: what every phase does to which parameter, and what a step costs."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pptp_jax.data import Arrays, Digits
from pptp_jax.models import Model, Variables, mlp
from pptp_jax.objectives import Context, RelaxLoss, TaskLoss
from pptp_jax.regions import GENERAL, PROTECT, RegionMap
from pptp_jax.training import (
    SGD,
    Phase,
    Recipe,
    Rewind,
    Trainer,
    early_stopped,
    freeze,
    make_train,
    rewind,
    split,
    undefended,
    whole_network,
)
from pptp_jax.training.gradients import gradients

MODEL = mlp([12, 8], num_classes=10)
DATA = Arrays.of(Digits().load(lambda n: np.arange(400)))
MEMBERS = jnp.arange(0, 200)
KEY = jax.random.key(7)
RELAX = RelaxLoss(alpha=1.0)


def trained(recipe: Recipe, model: Model = MODEL, optimizer: SGD | None = None):
    return jax.jit(make_train(model, recipe, optimizer, batch_size=50))(KEY, DATA, MEMBERS)


def initial(model: Model = MODEL) -> Variables:
    return model.init(jax.random.fold_in(KEY, 0), DATA.inputs(slice(0, 1)))


def assert_unmoved(now, before) -> None:
    """Equal but for the last bits, in which two programs may round; one step moves far more."""
    chex.assert_trees_all_close(now, before, rtol=1e-5, atol=1e-7)


@pytest.fixture(scope="module")
def plain() -> Variables:
    return trained(undefended(2))[0]


def test_training_learns_and_tells_its_loss() -> None:
    _, metrics = trained(undefended(12))
    assert metrics.loss.shape == (12,)
    assert metrics.finite
    assert metrics.loss[-1] < 0.5 * metrics.loss[0]


def test_a_plain_run_is_a_naive_loop(plain: Variables) -> None:
    """The same batches, one optax step at a time."""
    params, state = initial()
    tx = optax.sgd(lambda count: 0.1 * (1 + jnp.cos(jnp.pi * (count / 8))) / 2, momentum=0.9)
    opt_state = tx.init(params)
    for epoch in range(2):
        shuffle, _ = jax.random.split(jax.random.fold_in(KEY, epoch + 1))
        for rows in jax.random.permutation(shuffle, MEMBERS).reshape(4, 50):

            def loss(params, rows=rows):
                logits, _ = MODEL.apply(params, state, DATA.inputs(rows), train=True, key=None)
                return -jax.nn.log_softmax(logits)[jnp.arange(50), DATA.y[rows]].mean()

            updates, opt_state = tx.update(jax.grad(loss)(params), opt_state)
            params = optax.apply_updates(params, updates)
    chex.assert_trees_all_close(plain.params, params, rtol=1e-4, atol=1e-6)


def test_only_members_are_seen() -> None:
    poisoned = DATA._replace(y=DATA.y.at[200:].set(9), x=DATA.x.at[200:].set(255))
    run = jax.jit(make_train(MODEL, undefended(1), batch_size=50))
    chex.assert_trees_all_equal(run(KEY, DATA, MEMBERS), run(KEY, poisoned, MEMBERS))


def test_freeze_stops_the_region_and_no_other(plain: Variables) -> None:
    shallow = ("stem", "stage1")
    ours = trained(freeze(shallow, after=2, more=3))[0].params
    for block in shallow:
        assert_unmoved(ours[block], plain.params[block])
    assert not np.allclose(ours["head"]["kernel"], plain.params["head"]["kernel"])


def test_a_frozen_epoch_leaves_the_region_as_it_was_to_the_last_bit() -> None:
    decaying = SGD(weight_decay=0.1)
    recipe = freeze("stem", after=1, more=1)
    trainer = Trainer(MODEL, recipe.regions(MODEL), 50)
    phase = recipe.phases[1]
    before = trainer.start(decaying, phase, None, KEY, DATA, MEMBERS, None)
    epoch = jax.jit(lambda state: trainer.epoch(decaying, phase, state, DATA, MEMBERS, KEY, 1, 0))
    after, _ = epoch(before)
    now, then = after.variables.params, before.variables.params
    chex.assert_trees_all_equal(now["stem"], then["stem"])
    assert (now["head"]["kernel"] != then["head"]["kernel"]).all()


def test_a_frozen_region_is_not_decayed() -> None:
    decaying = SGD(weight_decay=0.1)
    before = trained(undefended(1), optimizer=decaying)[0].params
    after = trained(freeze("stem", after=1, more=2), optimizer=decaying)[0].params
    assert_unmoved(after["stem"], before["stem"])


def test_rewind_starts_the_region_again_and_freezes_the_rest() -> None:
    before = trained(undefended(3))[0].params
    # With everything frozen the region stays where it was put.
    still = Recipe(
        name="still",
        region="stem",
        phases=(
            Phase(epochs=3, objectives=TaskLoss()),
            Phase(epochs=1, objectives=RELAX, start=(Rewind(PROTECT),), frozen=(PROTECT, GENERAL)),
        ),
    )
    after = trained(still)[0].params
    assert_unmoved(after["stem"], initial().params["stem"])
    ours = trained(rewind("stem", RELAX, epochs=3, retrain=2))[0].params
    for params in (after, ours):
        assert_unmoved(params["head"], before["head"])
    assert not np.allclose(ours["stem"]["kernel"], after["stem"]["kernel"])


def test_whole_network_defence_stays_near_its_target() -> None:
    _, metrics = trained(whole_network(RELAX, 20))
    assert 0.7 < metrics.loss[-1] < 1.3


def test_early_stopping_is_a_short_run() -> None:
    chex.assert_trees_all_equal(trained(early_stopped(2)), trained(undefended(2)))


REGIONS = RegionMap.from_rules([("stem/.*", PROTECT), (".*", GENERAL)])


def forward(params, rows=slice(0, 50)):
    return MODEL.apply(params, {}, DATA.inputs(rows), train=True, key=None)


@pytest.mark.parametrize("epoch", [0, 1])
def test_split_gradients_are_those_of_two_separate_passes(epoch: int) -> None:
    params = initial().params
    labels = REGIONS.labels(params)
    y = DATA.y[:50]

    def naive(objective):
        return jax.grad(lambda p: objective(forward(p)[0], y, Context(epoch=epoch)))(params)

    def bound(objective):
        return lambda logits: objective(logits, y, Context(epoch=epoch))

    losses = {PROTECT: bound(RELAX), GENERAL: bound(TaskLoss())}
    grads, logits, _ = gradients(forward, params, losses, labels)
    chex.assert_trees_all_close(grads["stem"], naive(RELAX)["stem"], rtol=1e-5, atol=1e-7)
    for block in ("stage1", "head"):
        chex.assert_trees_all_close(grads[block], naive(TaskLoss())[block], rtol=1e-5)
    chex.assert_trees_all_close(logits, forward(params)[0], rtol=1e-5)


def test_strengths_and_lengths_share_one_program() -> None:
    trainer = Trainer(MODEL, None, 50)
    compiled = []

    @jax.jit
    def epoch(phase, state, number):
        compiled.append(phase)
        return trainer.epoch(SGD(), phase, state, DATA, MEMBERS, KEY, number, number)

    phases = [Phase(epochs=e, objectives=RelaxLoss(alpha=a)) for e, a in [(1, 0.1), (9, 2.0)]]
    for phase in phases:
        state = trainer.start(SGD(), phase, None, KEY, DATA, MEMBERS, None)
        epoch(phase, state, 0)
        epoch(phase, state, 1)
    assert len(compiled) == 1


def test_divergence_is_reported() -> None:
    diverging = SGD(learning_rate=1e38, momentum=0.0)
    _, metrics = trained(undefended(2), optimizer=diverging)
    assert not metrics.finite


def test_any_two_functions_make_a_model() -> None:
    linear = Model(
        init=lambda key, x: Variables({"w": jnp.zeros((64, 10))}, {"steps": jnp.int32(0)}),
        apply=lambda params, state, x, *, train, key: (
            x.reshape(-1, 64) @ params["w"],
            {"steps": state["steps"] + jnp.int32(train)},
        ),
    )
    variables, metrics = trained(undefended(4), linear)
    assert variables.state["steps"] == 16
    assert metrics.loss[-1] < metrics.loss[0]
    with pytest.raises(ValueError, match="the model has none: give Model"):
        trained(freeze("stem", after=1, more=1), linear)
    rules = RegionMap.from_rules([("w", PROTECT)])
    recipe = Recipe(
        name="mine", region=rules, phases=(Phase(epochs=1, objectives={PROTECT: RELAX}),)
    )
    assert trained(recipe, linear)[1].finite


def test_an_optimiser_of_the_users_own() -> None:
    run = make_train(
        MODEL,
        freeze("stem", after=1, more=1),
        lambda steps: optax.sgd(1e-2, nesterov=True),
        batch_size=50,
    )
    assert jax.jit(run)(KEY, DATA, MEMBERS)[1].finite


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: undefended(0), "epochs must be an integer of at least 1, got 0"),
        (lambda: Recipe(name="r", phases=()), "number of phases of r must be .* at least 1"),
        (
            lambda: Recipe(name="r", phases=(Phase(epochs=1, objectives=RELAX, frozen=("a",)),)),
            "r names regions in a phase: give it a region",
        ),
        (lambda: trained(freeze("shalow", 1, 1)), "region 'shalow' .* did you mean 'shallow'"),
        (lambda: trained(freeze(("stem", "heat"), 1, 1)), "'heat' .* did you mean 'head'"),
        (
            lambda: Recipe(
                name="r",
                region="stem",
                phases=(Phase(epochs=1, objectives=RELAX, frozen=("protekt",)),),
            ).regions(MODEL),
            "'protekt' is unknown; did you mean 'protect'",
        ),
        (
            lambda: Recipe(
                name="r", region="stem", phases=(Phase(epochs=1, objectives={PROTECT: RELAX}),)
            ).regions(MODEL),
            "has objectives for protect; it must have one .* general, protect",
        ),
        (
            lambda: make_train(MODEL, undefended(1), batch_size=500)(KEY, DATA, MEMBERS),
            "200 members, too few for one batch of 500",
        ),
        (lambda: SGD(learning_rate=0.0), "learning_rate must be a finite number above 0"),
        (lambda: SGD(schedule="cosin"), "did you mean 'cosine'"),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def rates(schedule: str, steps: int) -> list[float]:
    """The rates of all steps, from the updates that they make of a gradient of 1."""
    tx = SGD(momentum=0.0, schedule=schedule)(steps)
    state, update = tx.init(jnp.ones(1)), jax.jit(tx.update)
    found = []
    for _ in range(steps):
        step, state = update(jnp.ones(1), state, jnp.ones(1))
        found.append(-float(step[0]))
    return found


@pytest.mark.parametrize(
    ("schedule", "rate"),
    [
        ("constant", lambda t: 0.1),
        ("cosine", lambda t: 0.1 * (1 + np.cos(np.pi * t)) / 2),
        ("steps", lambda t: 0.1 if t < 0.5 else 0.01 if t < 0.8 else 0.001),
        # The published code: cos(7πt/16) times the hundredfold of t, clipped to [0, 1].
        ("lira", lambda t: 0.1 * np.cos(t * 7 * np.pi / 16) * np.clip(100 * t, 0, 1)),
    ],
)
def test_schedules(schedule: str, rate) -> None:
    expected = [rate(step / 200) for step in range(200)]
    np.testing.assert_allclose(rates(schedule, 200), expected, rtol=1e-5, atol=1e-8)


def test_mapping_over_keys_and_members_is_training_one_by_one() -> None:
    train = jax.jit(make_train(MODEL, split("stem", RELAX, 3), batch_size=50))
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(0)))(jnp.arange(3))
    members = jnp.stack([MEMBERS, MEMBERS + 100, MEMBERS[::-1] + 150])
    together = jax.jit(jax.vmap(train, in_axes=(0, None, 0)))(keys, DATA, members)
    for i in range(3):
        alone = train(keys[i], DATA, members[i])
        chex.assert_trees_all_close(
            jax.tree.map(lambda leaf, i=i: leaf[i], together), alone, rtol=1e-4, atol=1e-5
        )
