"""The memory of a state is used again: nobody has two states of a fleet at a time."""

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.data import Arrays, Digits
from pptp_jax.models import mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.training import (
    SGD,
    Trainer,
    fleet,
    switch,
    train_fleet,
    undefended,
    usual_strategy,
)
from pptp_jax.training.batched_programs import GroupRules, epoch_of_group, start_group
from pptp_jax.training.schedule import Position
from pptp_jax.training.stream_programs import StreamRules, start_streamed, streamed_step

DATA = Arrays.of(Digits().load(lambda n: np.arange(60)))
MODEL = mlp([4], num_classes=10)
TRAINER = Trainer(MODEL, None, 20)
[PHASE] = undefended(2).phases
KEYS = jax.random.split(jax.random.key(0), 2)


def donated(lowered) -> int:
    """The inputs of a program whose memory its results may take."""
    return sum(
        "tf.aliasing_output" in part or "jax.buffer_donor" in part
        for part in lowered.as_text().split("%arg")
    )


def test_an_epoch_takes_the_memory_of_the_entire_state_and_of_nothing_else() -> None:
    rules, members = (
        GroupRules(TRAINER, SGD(), usual_strategy()),
        jnp.arange(80).reshape(2, 40) % 60,
    )
    state = start_group(rules, PHASE, None, KEYS, DATA, members, None)
    leaves = jax.tree.leaves(state)
    given = rules, PHASE, state, DATA, members, KEYS, 0, 0
    assert donated(epoch_of_group.lower(*given)) == len(leaves) > 8
    epoch_of_group(*given)
    assert all(leaf.is_deleted() for leaf in leaves)
    assert not any(leaf.is_deleted() for leaf in (DATA.x, DATA.y, members))


def test_a_streamed_step_takes_the_memory_of_the_state() -> None:
    rules = StreamRules(TRAINER, SGD())
    state = start_streamed(rules, PHASE, KEYS[0], DATA, None)
    batch = DATA.x[:20], DATA.y[:20]
    leaves = jax.tree.leaves(state)
    given = rules, PHASE, state, DATA, batch, KEYS[0], Position(0, 0, 0, 0), jnp.int32(3)
    assert donated(streamed_step.lower(*given)) == len(leaves) > 8
    streamed_step(*given)
    assert all(leaf.is_deleted() for leaf in leaves)


def test_of_a_phase_that_has_ended_only_the_networks_are_held(monkeypatch) -> None:
    """What its optimiser remembered is gone as the next one starts; then the networks go, too."""
    alive = {"start": [], "epoch": []}

    def counted(name: str, function):
        def count(*args):
            # Of the first layer's kernel, in both models; the caller holds what it still needs.
            shape = (2, 64, 4)
            alive[name].append(sum(leaf.shape == shape for leaf in jax.live_arrays()) - before)
            return function(*args)

        return count

    before = sum(leaf.shape == (2, 64, 4) for leaf in jax.live_arrays())
    monkeypatch.setattr(fleet, "start_group", counted("start", start_group))
    monkeypatch.setattr(fleet, "epoch_of_group", counted("epoch", epoch_of_group))
    members = np.arange(80).reshape(2, 40) % 60
    recipe = switch(RelaxLoss(alpha=1.0), after=1, more=2)
    list(train_fleet(MODEL, recipe, DATA, members, batch_size=20))
    assert alive == {"start": [0, 1], "epoch": [2, 2, 2]}  # parameters and their momenta
