"""Running statistics in a phase that freezes their block."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from small import watched

from pptp_jax.models import Model, Variables
from pptp_jax.models.model import learns
from pptp_jax.regions import Block
from pptp_jax.training import freeze

pytestmark = pytest.mark.usefixtures("compile_in_haste")

WIDTHS = {"stem": (64, 6), "head": (6, 10)}


def init(key: Any, x: Any) -> Variables:
    kernels = {name: 0.1 * jax.random.normal(key, shape) for name, shape in WIDTHS.items()}
    return Variables(kernels, {name: jnp.zeros(width) for name, (_, width) in WIDTHS.items()})


def apply(params: Any, state: Any, x: Any, *, train: Any, key: Any) -> Any:
    """Two layers, each of which takes off the mean of its outputs."""
    x, moved = x.reshape(len(x), -1), {}
    for name in WIDTHS:
        x = x @ params[name]
        mean = x.mean(axis=0) if learns(train, name) else state[name]
        moved[name] = 0.9 * state[name] + 0.1 * mean if learns(train, name) else state[name]
        x = jnp.tanh(x - mean[None])
    return x, moved


CENTRED = Model(init, apply, tuple(Block(name, name) for name in WIDTHS))


def test_statistics_of_a_frozen_block_do_not_move_and_others_do() -> None:
    seen = watched(freeze("stem", after=1, more=2), CENTRED)
    first, second, third = (seen[epoch].state for epoch in (1, 2, 3))
    assert (first["stem"] != 0).all()
    for now in (second, third):
        assert (now["stem"] == first["stem"]).all()
    for then, now in ((first, second), (second, third)):
        assert (now["head"] != then["head"]).all()
