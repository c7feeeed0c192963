"""Weights that all models of a fleet have in common: one copy, in no state and on no disk."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import BATCH, DATA, INDICES

from pptp_jax.data import Digits
from pptp_jax.fleets import FleetSpec, fingerprint, run_fleet
from pptp_jax.models import Model, Variables, in_precision, starting_from
from pptp_jax.training import (
    SGD,
    Checkpoint,
    Execution,
    Strategy,
    Trainer,
    needed_memory,
    train_fleet,
    undefended,
)
from pptp_jax.training.batched_programs import GroupRules, epoch_of_group, start_group

WIDTH = 257
BASE = {"w": 0.1 * jax.random.normal(jax.random.key(5), (64, WIDTH))}


def init(key: Any, x: Any, *, shared: Any) -> Variables:
    first, last = jax.random.split(key)
    columns = shared["w"].shape[1]
    return Variables(
        {
            "a": jax.random.normal(first, (64, 2)),
            "b": jnp.zeros((2, columns)),
            "head": 0.1 * jax.random.normal(last, (columns, 10)),
        },
        {},
    )


def apply(params: Any, state: Any, x: Any, *, train: Any, key: Any, shared: Any) -> Any:
    adapted = shared["w"] + params["a"] @ params["b"]
    return jnp.tanh(x.reshape(len(x), -1) @ adapted) @ params["head"], state


ADAPTED = Model(init, apply, shared=BASE)


def closed_over(base: Any) -> Model:
    """The same model, in whose functions the base is a constant."""
    return Model(
        lambda key, x: init(key, x, shared=base),
        lambda params, state, x, *, train, key: apply(
            params, state, x, train=train, key=key, shared=base
        ),
    )


def trained(model: Model, **execution: Any) -> Any:
    [ended] = train_fleet(
        model,
        undefended(2),
        DATA,
        INDICES,
        batch_size=BATCH,
        execution=Execution(groups=[(0, 1)], **execution),
    )
    return ended.variables, ended.loss


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(order="vmap"),
        Strategy(order="unrolled"),
        Strategy(order="vmap", devices=2),
        Strategy(order="scan", data_devices=2),
    ],
    ids=str,
)
def test_a_shared_base_trains_as_a_constant_does(strategy: Strategy) -> None:
    expected = trained(closed_over(BASE), strategy=Strategy(order="scan"))
    chex.assert_trees_all_close(trained(ADAPTED, strategy=strategy), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("order", ["vmap", "scan"])
def test_sixteen_models_have_one_base_which_is_an_argument(order: Any) -> None:
    strategy, [phase] = Strategy(order=order), undefended(1).phases
    rules = GroupRules(Trainer(ADAPTED, None, BATCH), SGD(), strategy)
    keys = jax.random.split(jax.random.key(0), 16)
    members = jnp.broadcast_to(jnp.arange(40), (16, 40))
    state = jax.eval_shape(start_group, rules, phase, None, keys, DATA, members, None)
    assert (16, 64, WIDTH) not in {leaf.shape for leaf in jax.tree.leaves(state)}
    program = epoch_of_group.lower(rules, phase, state, DATA, members, keys, 0, 0).as_text()
    [header] = re.findall(r"func.func public @main\((.*?)\) ->", program)
    assert header.count(f"tensor<64x{WIDTH}xf32>") == 1
    assert f"16x64x{WIDTH}" not in header
    constants = [line for line in program.splitlines() if "stablehlo.constant" in line]
    assert not any(f"dense<{kind}" in line for line in constants for kind in ('"', "[["))


def test_the_base_is_counted_once_in_the_memory_that_is_needed() -> None:
    vmap = Strategy(order="vmap")
    size = BASE["w"].nbytes
    one, sixteen = (
        needed_memory(ADAPTED, DATA, BATCH, models, strategy=vmap)
        - needed_memory(closed_over(BASE), DATA, BATCH, models, strategy=vmap)
        for models in (1, 16)
    )
    assert one == sixteen == size


def test_a_checkpoint_does_not_hold_the_base(tmp_path: Path) -> None:
    stopped = Execution(
        groups=[(0, 1)],
        checkpoint=lambda group: Checkpoint(tmp_path / "c", every=0.0),
        stop=lambda: True,
    )
    small = replace(ADAPTED, shared={"w": jnp.zeros((64, 3))})
    with pytest.raises(KeyboardInterrupt):
        next(train_fleet(small, undefended(2), DATA, INDICES, batch_size=BATCH, execution=stopped))
    restored = Checkpoint(tmp_path / "c").restore(1, None)
    assert (64, 3) not in {np.shape(leaf) for leaf in jax.tree.leaves(restored)}
    assert (2, 3, 10) in {np.shape(leaf) for leaf in jax.tree.leaves(restored)}


def spec(model: Model) -> FleetSpec:
    data = Digits().load(lambda n: np.arange(80))
    return FleetSpec(
        model=model, recipe=undefended(1), data=data, members=INDICES, batch_size=BATCH
    )


def test_a_fingerprint_depends_on_the_content_of_the_base_alone() -> None:
    same = replace(ADAPTED, shared={"w": jnp.array(np.asarray(BASE["w"]))})
    other = replace(ADAPTED, shared={"w": BASE["w"].at[3, 4].add(1e-3)})
    known = fingerprint(spec(ADAPTED))
    assert fingerprint(spec(same)) == known != fingerprint(spec(other))


def test_the_signals_of_a_fleet_are_those_of_the_constant_base(tmp_path: Path) -> None:
    found, expected = (
        run_fleet(spec(model), tmp_path / name)[1]
        for name, model in {"shared": ADAPTED, "constant": closed_over(BASE)}.items()
    )
    np.testing.assert_allclose(found["confidence"], expected["confidence"], rtol=1e-3, atol=1e-4)


def test_wrapped_models_pass_the_base_on() -> None:
    x, start = DATA.inputs(slice(0, 5)), ADAPTED.init(jax.random.key(9), DATA.inputs(slice(0, 1)))
    wrapped = starting_from(in_precision(ADAPTED, "bfloat16"), start)
    params, state = wrapped.init(jax.random.key(0), x)
    chex.assert_trees_all_equal(params, start.params)

    def logits(model: Model, train: bool) -> jax.Array:
        return model.apply(params, state, x, train=train, key=None)[0]

    zeros = jax.tree.map(lambda leaf: leaf * 0, wrapped)
    np.testing.assert_array_equal(logits(wrapped, False), logits(ADAPTED, False))
    np.testing.assert_allclose(logits(wrapped, True), logits(ADAPTED, True), atol=0.05)
    assert np.abs(logits(zeros, True)).max() == 0
