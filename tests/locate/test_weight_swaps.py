"""Surgery, fleets, measures and gradients against twins that loop over models and examples."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from planted import MODEL, STEEP, planted_data

from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.data import Arrays, Balanced, Dataset, member_indices
from pptp_jax.locate import RiskMapSpec
from pptp_jax.locate.fleets import Fleets, retrained, train_fleets
from pptp_jax.locate.measures import UNKNOWN, Seen, changes, drawings, estimates
from pptp_jax.locate.weight_swaps import signals_after_exchange
from pptp_jax.metrics import Bootstrap, auc, roc
from pptp_jax.models import Variables, from_linen
from pptp_jax.objectives import RelaxLoss, TaskLoss
from pptp_jax.signals import gradient_norms
from pptp_jax.training import (
    SGD,
    Execution,
    Phase,
    Recipe,
    Rewind,
    make_train,
    train_fleet,
    undefended,
)

pytestmark = pytest.mark.usefixtures("compile_in_haste")


class Normed(nn.Module):
    @nn.compact
    def __call__(self, x, *, train: bool):
        x = nn.Dense(4, name="stem")(x)
        x = nn.BatchNorm(use_running_average=not train, name="norm")(x)
        return nn.Dense(3, name="head")(x)


@pytest.mark.parametrize("chosen", [(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 1)])
def test_exchange_and_statistics(chosen: tuple[int, ...], rng: np.random.Generator) -> None:
    names = ("stem", "norm", "head")
    model = from_linen(Normed(), names)
    x, y = rng.normal(size=(20, 5)).astype(np.float32), rng.integers(0, 3, 20)
    data = Arrays.of(Dataset("some", x, y, np.arange(20), 3))
    like = jax.eval_shape(model.init, jax.random.key(0), x)

    def fleet() -> Variables:
        def noise(leaf):
            return jnp.asarray(rng.uniform(0.5, 1.5, (2, *leaf.shape)), jnp.float32)

        return jax.tree.map(noise, like)

    own, donors = fleet(), fleet()
    batches = np.stack([rng.permutation(20)[:12].reshape(3, 4) for _ in range(2)])
    confidence, correct = signals_after_exchange(
        model, own, donors.params, jnp.array(chosen, bool), data, jnp.array(batches)
    )
    for i in range(2):
        params = {
            name: {
                key: np.float64((donors if taken else own).params[name][key][i])
                for key in own.params[name]
            }
            for name, taken in zip(names, chosen, strict=True)
        }
        hidden = x @ params["stem"]["kernel"] + params["stem"]["bias"]
        mean = np.mean([hidden[rows].mean(axis=0) for rows in batches[i]], axis=0)
        var = np.mean([hidden[rows].var(axis=0) for rows in batches[i]], axis=0)
        normed = (hidden - mean) / np.sqrt(var + 1e-5)
        normed = normed * params["norm"]["scale"] + params["norm"]["bias"]
        logits = normed @ params["head"]["kernel"] + params["head"]["bias"]
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        label = p[np.arange(20), y]
        np.testing.assert_allclose(
            confidence[i, 0], np.log(label / (1 - label)), rtol=1e-3, atol=1e-3
        )
        np.testing.assert_array_equal(correct[i], logits.argmax(axis=1) == y)


DATA = Arrays.of(planted_data())
MATRIX = Balanced(models=6).draw(len(DATA.y), seed=0).matrix
MEMBERS = member_indices(MATRIX)
SPEC = RiskMapSpec(
    model=MODEL,
    data=DATA,
    matrix=MATRIX,
    epochs=3,
    early=1,
    retrain=2,
    defence=RelaxLoss(alpha=1.0),
    optimizer=SGD(learning_rate=0.1),
    batch_size=10,
    seed=7,
)
GROUP = (1, 3)


def same(ours: Variables, known: Variables) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), ours, known)


@pytest.fixture(scope="module")
def fleets(compile_in_haste: None) -> Fleets:
    return train_fleets(SPEC, GROUP, lambda progress: None)


def test_all_fleets_start_at_the_same_values(fleets: Fleets) -> None:
    kept = {}
    [plain] = train_fleet(
        MODEL,
        undefended(3),
        DATA,
        MEMBERS,
        optimizer=SPEC.optimizer,
        batch_size=10,
        seed=7,
        execution=Execution(
            groups=[GROUP],
            on_epoch=lambda group, epoch, variables: kept.update(
                {epoch: jax.tree.map(np.array, variables)}
            ),
        ),
    )
    same(fleets.trained, plain.variables)
    same(fleets.early, kept[1])
    for i, number in enumerate(GROUP):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(7), number), 0)
        start = MODEL.init(key, DATA.inputs(slice(0, 1)))
        same(jax.tree.map(lambda leaf, i=i: leaf[i], fleets.initial), start)
    assert not np.allclose(fleets.defended.params["table"], plain.variables.params["table"])


def test_retraining_is_the_recipe_taken_up_at_its_second_phase(fleets: Fleets) -> None:
    phases = (
        Phase(epochs=3, objectives=TaskLoss()),
        Phase(epochs=2, objectives=SPEC.defence, start=(Rewind("protect"),), frozen=("general",)),
    )
    recipe = Recipe(name="mine", phases=phases, region="linear")
    train = make_train(MODEL, recipe, SPEC.optimizer, batch_size=10)
    ours = retrained(SPEC, GROUP, fleets, jnp.array([True, False]), lambda progress: None)
    key = jax.random.fold_in(jax.random.key(7), GROUP[1])
    known, _ = jax.jit(train)(key, DATA, jnp.array(MEMBERS[GROUP[1]]))
    same(jax.tree.map(lambda leaf: leaf[1], ours), known)
    # What plain training gave is still there for the next region.
    assert np.isfinite(fleets.trained.params["table"]).all()


def test_gradient_norms(fleets: Fleets) -> None:
    rows = np.array([5, 0, 41])
    ours = gradient_norms(MODEL, fleets.trained, DATA, jnp.array(rows))
    assert ours.shape == (2, len(GROUP), 3)
    params = jax.tree.map(np.float64, fleets.trained.params)
    for model in range(len(GROUP)):
        for place, row in enumerate(rows):
            x = np.float64(DATA.x[row, 1:])
            logits = x @ params["linear"]["w"][model] + STEEP * params["table"][model, row]
            p = np.exp(logits) / np.exp(logits).sum()
            error = np.linalg.norm(p - np.eye(3)[DATA.y[row]])
            known = [np.linalg.norm(x) * error, STEEP * error]
            np.testing.assert_allclose(ours[:, model, place], known, rtol=1e-4)


def seen_of(rng: np.random.Generator, gap: float, matrix: np.ndarray) -> Seen:
    confidence = rng.normal(size=matrix.shape) + gap * matrix
    return Seen(np.float32(confidence[:, None]), confidence > 0)


def test_measures(rng: np.random.Generator) -> None:
    matrix = Balanced(models=6).draw(30, seed=1).matrix
    seen = seen_of(rng, 2.0, matrix)
    found = estimates(drawings(seen, matrix, Bootstrap(6, 30, 20, 0)))
    losses, right = {True: [], False: []}, []
    for model in range(6):
        for example in range(30):
            member = bool(matrix[model, example])
            losses[member].append(np.log1p(np.exp(-seen.confidence[model, 0, example])))
            if not member:
                right.append(seen.utility[model, example])
    assert found.loss_gap.value == pytest.approx(np.mean(losses[False]) - np.mean(losses[True]))
    assert found.accuracy.value == pytest.approx(np.mean(right))
    for name in ("loss", "lira_online"):
        scores = attack_targets(ATTACKS[name], seen.confidence, matrix, list(range(6)))
        assert found.auc[name].value == pytest.approx(auc(roc(scores, matrix)), abs=2e-3)


def test_changes_are_paired(rng: np.random.Generator) -> None:
    matrix = Balanced(models=6).draw(30, seed=1).matrix
    resampling = Bootstrap(6, 30, 20, 0)
    seen = seen_of(rng, 2.0, matrix)
    shifted = Seen(seen.confidence + 1, ~seen.utility)
    before, after = drawings(seen, matrix, resampling), drawings(shifted, matrix, resampling)
    # LOSS ranks as before in every resample, though its AUC is not known to a point.
    assert estimates(before).auc["loss"].low < estimates(before).auc["loss"].high
    change = changes(after, before)
    assert change.auc["loss"] == pytest.approx((0, 0, 0), abs=1e-12)
    drawn = after.accuracy.drawn - before.accuracy.drawn
    assert change.accuracy.low == pytest.approx(np.quantile(drawn, 0.025))
    assert change.accuracy.value == pytest.approx(1 - 2 * before.accuracy.value)


def test_nothing_is_said_of_a_fleet_that_has_diverged(rng: np.random.Generator) -> None:
    matrix = Balanced(models=6).draw(30, seed=1).matrix
    seen = seen_of(rng, 2.0, matrix)
    before = drawings(seen, matrix, Bootstrap(6, 30, 20, 0))
    seen.confidence[2, 0, 3] = np.nan
    after = drawings(seen, matrix, Bootstrap(6, 30, 20, 0))
    assert after is None and changes(after, before) == UNKNOWN
