"""A private GAN: the discriminator is clipped and noised, and the generator sees no example."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Variables, discriminator_mlp, gan, generator_mlp, mlp
from pptp_jax.objectives import RelaxLoss, TaskLoss
from pptp_jax.privacy import Ledger
from pptp_jax.regions import RegionMap
from pptp_jax.study.guarantee import guarantee, ledgers
from pptp_jax.tasks import Batch
from pptp_jax.training import (
    SGD,
    Phase,
    Poisson,
    Private,
    Recipe,
    Trainer,
    check_model,
    dp_sgd,
    make_train,
    undefended,
)
from pptp_jax.training.phase_transform import DERIVED, private_clip

pytestmark = pytest.mark.usefixtures("compile_in_haste")

SHAPE, EXAMPLES, BATCH = (3,), 12, 4
MODEL = gan(generator_mlp([5], SHAPE, 2), discriminator_mlp([5], 2), 2, latent=2, penalty=0.5)
STATE = {"generator": {}, "discriminator": {}}
RNG = np.random.default_rng(0)


IDS = np.arange(2 * EXAMPLES)
POINTS = RNG.uniform(size=(2 * EXAMPLES, *SHAPE)).astype(np.float32)
DATA = Arrays.of(Dataset("points", POINTS, IDS % 2, IDS, 2))
QUIET = Private(noise_multiplier=0.0, max_norm=0.1)
OPTIMIZER = SGD(learning_rate=0.5, momentum=0.0, weight_decay=0.0, schedule="constant")
KEY = jax.random.key(7)


@jax.jit
def step(phase: Phase, rows: jax.Array):
    """The parameters before and after one step on these rows."""
    trainer, members = Trainer(MODEL, None, BATCH), jnp.arange(EXAMPLES)
    state = trainer.start(OPTIMIZER, phase, None, jax.random.key(0), DATA, members, None)
    one = trainer.step(OPTIMIZER, phase, state, DATA, DATA, 1, 0, float(BATCH))
    after, _ = one(state, rows, None, KEY)
    return state.variables.params, after.variables.params


def stepped(rows, noise: float = 0.0):
    rule = replace(QUIET, noise_multiplier=noise)
    return step(dp_sgd(rule, epochs=1, batches=Poisson()).phases[0], jnp.asarray(rows))


def same(a, b) -> bool:
    return all(jax.tree.leaves(jax.tree.map(lambda x, y: bool((x == y).all()), a, b)))


def test_the_generator_depends_on_no_example() -> None:
    """Other examples, another noise and absent ones: the same generator; another discriminator."""
    rows = np.arange(BATCH)
    before, first = stepped(rows)
    others = (
        stepped(rows + EXAMPLES),
        stepped(rows, noise=1.0),
        stepped([0, 1, -1, -2]),
    )
    for _, other in others:
        assert same(first["generator"], other["generator"])
        assert not same(first["discriminator"], other["discriminator"])
    assert not same(before["generator"], first["generator"])


def test_the_generator_takes_the_gradient_of_its_own_loss() -> None:
    """Neither clipped nor noised nor divided: that of the mean of fresh draws."""
    before, after = stepped(np.arange(BATCH), noise=5.0)
    _, _, dropout = jax.random.split(KEY, 3)

    @jax.jit
    @jax.grad
    def slope(own):
        drawing = jax.random.fold_in(dropout, 0)
        mine = Variables({**before, "generator": own}, STATE)
        return MODEL.task.blind_losses(MODEL, mine, BATCH, drawing).mean()

    expected = jax.tree.map(
        lambda p, g: p - 0.5 * g, before["generator"], slope(before["generator"])
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
        after["generator"],
        expected,
    )


def test_the_discriminator_takes_the_sum_of_clipped_gradients() -> None:
    """Against a loop over examples that clips the discriminator's gradient alone."""
    rows = np.array([3, 1, 8, 5])
    before, after = stepped(rows)
    _, _, dropout = jax.random.split(KEY, 3)

    @jax.jit
    @jax.grad
    def slope(own, row, key):
        batch = Batch(DATA.x[row][None], DATA.y[row][None])
        mine = Variables({**before, "discriminator": own}, STATE)
        outputs, _ = MODEL.task.outputs(MODEL, mine, batch, train=True, key=key)
        return MODEL.task.losses(outputs, batch)[0]

    total = jax.tree.map(jnp.zeros_like, before["discriminator"])
    for row, key in zip(rows, jax.random.split(dropout, BATCH), strict=True):
        gradient = slope(before["discriminator"], row, key)
        norm = np.sqrt(sum(float(jnp.square(leaf).sum()) for leaf in jax.tree.leaves(gradient)))
        assert norm > QUIET.max_norm
        total = jax.tree.map(lambda t, g, n=norm: t + g * (QUIET.max_norm / n), total, gradient)
    jax.tree.map(
        lambda a, b, t: np.testing.assert_allclose(a, b - 0.5 * t / BATCH, rtol=1e-4, atol=1e-6),
        after["discriminator"],
        before["discriminator"],
        total,
    )


@pytest.mark.parametrize("batches", [None, Poisson()])
def test_epsilon_is_that_of_plain_dp_sgd(batches) -> None:
    recipe = dp_sgd(
        Private(noise_multiplier=1.5), epochs=3, **({} if batches is None else {"batches": batches})
    )
    found, plain = (guarantee(recipe, model, 400, 40) for model in (MODEL, mlp([5], 2)))
    assert found == plain and found is not None
    [ledger] = ledgers(recipe, MODEL, 400, 40)
    assert ledger.derived == (DERIVED,) and ledger.noised == ("protect",)
    assert not ledger.obstacles


def test_a_discriminator_in_the_clear_has_no_epsilon() -> None:
    """However much the generator is derived from it."""
    regions = RegionMap.from_rules([("generator/.*", "derived"), (".*", "protect")])
    ledger = Ledger(region_map=regions, derived=("derived",), clear=("protect",), statistics="none")
    assert any("trained in the clear" in reason for reason in ledger.obstacles)
    first = undefended(1).phases[0]
    second = dp_sgd(Private(noise_multiplier=1.0), epochs=1).phases[0]
    assert guarantee(Recipe(name="both", phases=(first, second)), MODEL, 400, 40) is None


def test_a_frozen_generator_is_frozen_and_not_derived() -> None:
    phase = Phase(
        epochs=1, objectives=TaskLoss(), frozen=("protect",), gradient=Private(noise_multiplier=1.0)
    )
    recipe = Recipe(name="half", phases=(phase,), region="generator")
    clip = private_clip(phase, recipe.regions(MODEL), MODEL.task.blind)
    assert DERIVED not in clip.region_map.names
    [ledger] = ledgers(recipe, MODEL, 400, 40)
    assert ledger.frozen == ("general",) and ledger.noised == ("protect",)
    train = jax.jit(make_train(MODEL, recipe, OPTIMIZER, batch_size=BATCH))
    start = MODEL.init(jax.random.split(jax.random.key(0))[0], DATA.x[:1])
    variables, metrics = train(jax.random.key(0), DATA, jnp.arange(EXAMPLES))
    assert bool(metrics.finite)
    assert variables.params["generator"].keys() == start.params["generator"].keys()


def test_objectives_that_may_show_members_to_the_generator_are_refused() -> None:
    phase = Phase(
        epochs=1,
        objectives=RelaxLoss(alpha=1.0),
        gradient=Private(noise_multiplier=1.0),
    )
    task = replace(MODEL.task)
    object.__setattr__(task, "classes", True)  # past the check for classes
    with pytest.raises(ValueError, match="may show members to the parameters generator"):
        check_model(Recipe(name="own", phases=(phase,)), replace(MODEL, task=task), DATA.x[:1])
