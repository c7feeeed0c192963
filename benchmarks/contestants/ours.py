"""Ours: an epoch of a group of a fleet, under any strategy."""

import time

import jax
import jax.numpy as jnp
import numpy as np
from rows import planned

from contestants.networks import MOMENTUM, RATE, Contestant, Network
from pptp_jax.data import Arrays
from pptp_jax.training import SGD, Strategy, Trainer, undefended
from pptp_jax.training.batched_programs import GroupRules, epoch_of_group, start_group

RULE = SGD(learning_rate=RATE, momentum=MOMENTUM, schedule="constant")


def ours(network: Network, strategy: Strategy) -> Contestant:
    """All models by a strategy."""
    trainer, [phase] = Trainer(network.model, None, network.batch), undefended(1).phases
    x, y = map(jnp.asarray, network.data)
    shared = Arrays(x, y, jnp.float32(1), jnp.arange(0))
    data = strategy.place(shared, None)
    members = strategy.place(jnp.asarray(network.members), 0)
    keys = strategy.place(network.keys, 0)
    rules = GroupRules(trainer, RULE, strategy)
    state = start_group(rules, phase, None, keys, data, members, None)
    begun = time.perf_counter()
    epoch = epoch_of_group.lower(rules, phase, state, data, members, keys, 0, 0).compile()
    compiling = time.perf_counter() - begun
    plan = planned(epoch)
    memory = plan.argument_size_in_bytes + plan.output_size_in_bytes + plan.temp_size_in_bytes

    def run() -> np.ndarray:
        nonlocal state
        state, loss = epoch(rules, phase, state, data, members, keys, 0, 0)
        return np.asarray(jax.block_until_ready(loss))

    return Contestant(run, compiling, memory - plan.alias_size_in_bytes)
