"""What a phase remembers besides the network: objectives that learn, teachers, chosen weights."""

from collections.abc import Iterator
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import BATCH, DATA, INDICES, MODEL, RELAX, own_key

from pptp_jax.objectives import CRL, AdversarialRegularisation, MixupMMD
from pptp_jax.training import (
    SGD,
    Checkpoint,
    Ensemble,
    Execution,
    Progress,
    Recipe,
    RewindWeights,
    Trainer,
    cwrf,
    make_train,
    selena,
    split,
    train_fleet,
    whole_network,
)
from pptp_jax.training.phase import WHOLE

pytestmark = pytest.mark.usefixtures("compile_in_haste", "optax_promotes")


@pytest.fixture(scope="module")
def optax_promotes() -> Iterator[None]:
    """optax.adam itself needs what strict promotion refuses."""
    with jax.numpy_dtype_promotion("standard"):
        yield


ADVERSARY = AdversarialRegularisation(weight=2.0, hidden=(4,))
LEARNING = {
    "adversary": whole_network(ADVERSARY, 2),
    "centres, split": split("stem", CRL(alpha=1.0), 2),
    "mixed": whole_network(MixupMMD(weight=2.0), 2),
    "selena": selena(1, 2, Ensemble(models=3, left_out=1)),
    "cwrf": cwrf(RewindWeights(share=0.1, batches=2), RELAX, epochs=1, more=2),
    "channels": cwrf(
        RewindWeights(share=0.3, batches=2, by="channel"), RELAX, epochs=1, more=2, region="shallow"
    ),
}


def trained(recipe: Recipe, **options):
    return next(
        train_fleet(MODEL, recipe, DATA, INDICES, batch_size=BATCH, execution=Execution(**options))
    )


@pytest.mark.parametrize("name", LEARNING)
def test_a_fleet_is_the_mapped_training_function(name: str) -> None:
    ours = trained(LEARNING[name])
    keys = jnp.stack([own_key(i) for i in (0, 1)])
    train = jax.vmap(make_train(MODEL, LEARNING[name], batch_size=BATCH), in_axes=(0, None, 0))
    known, metrics = jax.jit(train)(keys, DATA, jnp.array(INDICES))
    chex.assert_trees_all_close(ours.variables, known, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(ours.loss, metrics.loss, rtol=1e-3)


def test_an_objective_learns_in_every_step_from_members_and_references_alone() -> None:
    [phase] = LEARNING["adversary"].phases
    trainer, members = Trainer(MODEL, None, BATCH), jnp.array(INDICES[0])

    @jax.jit
    def after(data, epochs):
        state = trainer.start(SGD(), phase, None, own_key(0), data, members, None)

        def one(number, state):
            return trainer.epoch(SGD(), phase, state, data, members, own_key(0), number, number)[0]

        return jax.lax.fori_loop(0, epochs, one, state)

    state = after(DATA, 3)
    learned = state.memory.objectives[WHOLE]
    assert learned.opt_state[0].count == 3 * 2  # steps of Adam, across epochs
    start = ADVERSARY.init(jax.random.key(0), jnp.zeros((1, 10)))
    assert jax.tree.structure(start) == jax.tree.structure(learned)
    # Nobody but members and reference examples is looked at: nothing comes of poison elsewhere.
    others = np.setdiff1d(np.arange(len(DATA.y)), [*INDICES[0], *np.asarray(DATA.reference)])
    floating = DATA._replace(x=DATA.x.astype(jnp.float32))
    known, poisoned = (
        after(floating._replace(x=floating.x.at[rows].set(jnp.nan)), 1)
        for rows in (np.arange(0), others)
    )
    chex.assert_trees_all_equal(known, poisoned)
    reached = after(floating._replace(x=floating.x.at[DATA.reference].set(jnp.nan)), 1)
    assert jnp.isnan(reached.memory.objectives[WHOLE].layers[0][0]).any()


class Stopped(Exception):
    pass


@pytest.mark.parametrize("name", ["selena", "cwrf", "centres, split"])
def test_an_interrupted_group_remembers(name: str, tmp_path: Path) -> None:
    def checkpoint(group: tuple[int, ...]) -> Checkpoint:
        return Checkpoint(tmp_path / "c", every=0.0)

    def stop(progress: Progress) -> None:
        if progress.epoch == last:  # before it is saved
            raise Stopped

    last = sum(int(phase.epochs) for phase in LEARNING[name].phases)
    known = trained(LEARNING[name])
    with pytest.raises(Stopped):
        trained(LEARNING[name], checkpoint=checkpoint, on_progress=stop)
    assert Checkpoint(tmp_path / "c").latest() == last - 1
    for _ in range(2):  # from the middle of the last phase, then from its end
        resumed = trained(LEARNING[name], checkpoint=checkpoint)
        chex.assert_trees_all_equal(resumed.variables, known.variables)
        np.testing.assert_array_equal(resumed.loss, known.loss)
