"""Numbers may be injected, scheduled, traced and mapped; bad ones are refused with both sides."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from transform_table import BLOCKS, REGIONS, tree, update

from pptp_jax import transforms as t

KEY = jax.random.key(0)
NUMBERS: dict[str, tuple[Callable[..., Any], str, float]] = {
    "clip_region_norm": (t.clip_region_norm, "max_norm", 0.5),
    "add_region_noise": (t.add_region_noise, "stddev", 0.3),
    "drop_region_updates": (t.drop_region_updates, "rate", 0.4),
    "drop_region_top": (t.drop_region_top, "share", 0.5),
    "scale_region": (t.scale_region, "scale", 0.3),
    "decay_region": (t.decay_region, "weight_decay", 0.3),
}
each_number = pytest.mark.parametrize(("make", "name", "value"), NUMBERS.values(), ids=NUMBERS)


def first_update(tx: optax.GradientTransformationExtraArgs) -> Any:
    return update(tx, tree(), tx.init(tree()), tree(), KEY)[0]


def assert_close(left: Any, right: Any) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), left, right)


@each_number
def test_injected_numbers_act_as_constants(make: Callable, name: str, value: float) -> None:
    plain = first_update(make(REGIONS, "protect", **{name: value}))
    inject = optax.inject_hyperparams(make)
    tx = inject(region_map=REGIONS, label="protect", **{name: value})
    assert float(tx.init(tree()).hyperparams[name]) == np.float32(value)
    assert_close(first_update(tx), plain)
    scheduled = inject(region_map=REGIONS, label="protect", **{name: lambda step: value})
    assert_close(first_update(scheduled), plain)


@each_number
def test_a_sweep_is_one_program(make: Callable, name: str, value: float) -> None:
    """Mapped over values, each row is what that value gives alone."""
    values = jnp.array([0.2, value, 0.9])
    sweep = jax.vmap(lambda v: first_update(make(REGIONS, "protect", **{name: v})))(values)
    alone = first_update(make(REGIONS, "protect", **{name: value}))
    assert_close(jax.tree.map(lambda leaf: leaf[1], sweep), alone)


@each_number
@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_bad_numbers_are_refused(make: Callable, name: str, value: float, bad: float) -> None:
    with pytest.raises(ValueError, match=rf"{name} must .*, got {bad}"):
        make(REGIONS, "protect", **{name: bad})


@each_number
def test_an_unknown_region_is_refused(make: Callable, name: str, value: float) -> None:
    with pytest.raises(ValueError, match=r"label 'protct' .*'protect'\? Known: 'protect', 'gen"):
        make(REGIONS, "protct", **{name: value})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: t.apply_to_region(optax.identity(), REGIONS, "x"), "label 'x' is unknown"),
        (lambda: t.freeze_region(REGIONS, "x"), "label 'x' is unknown"),
        (lambda: t.pptp(optax.sgd(0.1), REGIONS, "x", freeze=True), "label 'x' is unknown"),
        (lambda: t.drop_region_blocks(REGIONS, "protect", BLOCKS, 0), "at least 1, got 0"),
        (lambda: t.drop_region_blocks(REGIONS, "protect", BLOCKS, 4), "of blocks, 3, got 4"),
        (lambda: t.drop_region_top(REGIONS, "protect", 0.5, by="size"), "by 'size' is unknown"),
    ],
)
def test_bad_choices_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_blocks_must_hold_the_region() -> None:
    for tx in (
        t.clip_region_norm(REGIONS, "protect", 1.0, blocks=BLOCKS[1:]),
        t.drop_region_blocks(REGIONS, "protect", BLOCKS[1:]),
    ):
        with pytest.raises(ValueError, match=r"stem/b, stem/w .* no block; .* stage, head"):
            first_update(tx)
        # The other region needs no block.
        first_update(t.clip_region_norm(REGIONS, "protect", 1.0, blocks=BLOCKS[:2]))


def test_scores_must_be_given_and_fit() -> None:
    tx = t.drop_region_top(REGIONS, "protect", 0.5, by="scores")
    with pytest.raises(ValueError, match=r"scores=\.\.\.\), a tree like the parameters; got none"):
        tx.update(tree(), tx.init(tree()))
    with pytest.raises(ValueError, match=r"scores has no leaf at .*stage/w; its leaves are"):
        tx.update(tree(), tx.init(tree()), scores={"stem": tree()["stem"]})
    wide = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), tree())
    with pytest.raises(ValueError, match=r"scores has shape \(2,\) at head/scale, where \(\) is"):
        tx.update(tree(), tx.init(tree()), scores=wide)


def test_decay_needs_the_weights() -> None:
    tx = t.decay_region(REGIONS, "protect", 0.5)
    with pytest.raises(ValueError, match=r"weight decay needs the weights: call update\(updates"):
        tx.update(tree(), tx.init(tree()))


def test_trees_that_differ_between_init_and_update_are_refused() -> None:
    tx = t.apply_to_region(optax.sgd(0.1, momentum=0.9), REGIONS, "protect")
    state, grads = tx.init(tree()), tree()
    grads["stem"]["more"] = jnp.ones(2)
    with pytest.raises(ValueError, match=r"(?s)with 4 child keys.*more.*with 3 child keys"):
        tx.update(grads, state, grads)


def test_the_norm_of_a_long_bfloat16_gradient_does_not_saturate() -> None:
    """Summed in bfloat16, a norm stops growing at 256 ones."""
    params = {"stem": {"w": jnp.ones(10_000, jnp.bfloat16)}, "head": {"w": jnp.ones(1)}}
    regions = t.clip_region_norm(
        type(REGIONS).from_rules([("stem/.*", "protect"), ("head/.*", "general")]), "protect", 1.0
    )
    updates, _ = regions.update(params, regions.init(params))
    np.testing.assert_allclose(updates["stem"]["w"].astype(jnp.float32), 0.01, rtol=0.01)
