"""Example-tied dropout in the small residual networks, against masks that NumPy makes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filling import filled

from pptp_jax.models import (
    Model,
    in_precision,
    lora,
    rebuilt,
    recompute_statistics,
    resnet8,
    resnet9,
    standardized,
)
from pptp_jax.models.tied_dropout import TiedChannels
from pptp_jax.validation import Refused

pytestmark = pytest.mark.usefixtures("compile_in_haste")

CHANNELS, SHARES = 32, (0.25, 0.125)
GENERAL, OWNED = 8, 3  # of 24 others
X = jax.random.normal(jax.random.key(0), (12, 16, 16, 3))
ROWS = jnp.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 58, 2**30])
# Group norm: training mode differs by the dropout alone. As many classes as maps.
NETWORKS = {
    "resnet8": (partial(resnet8, CHANNELS, width=CHANNELS // 4, norm="group"), np.mean, 1.0),
    "resnet9": (partial(resnet9, CHANNELS, width=CHANNELS // 8, norm="group"), np.max, 8.0),
}


def owned(row: int) -> np.ndarray:
    """The channels that an example owns: the places of the least numbers of a permutation."""
    key = jax.random.fold_in(jax.random.key(2023), row)
    order = np.asarray(jax.random.permutation(key, CHANNELS - GENERAL))
    return GENERAL + np.flatnonzero(order < OWNED)


def showing(model: Model, factor: float):
    """Variables whose logits are the pooled maps."""
    params, state = filled(model, X)
    head = jax.tree.map(jnp.zeros_like, params["head"]) | {"kernel": factor * jnp.eye(CHANNELS)}
    return {**params, "head": head}, state


@pytest.mark.parametrize("network", NETWORKS)
def test_each_example_has_the_channels_of_its_row_and_a_test_has_none(network: str) -> None:
    make, pool, factor = NETWORKS[network]
    model = make(tied_dropout=SHARES)
    assert model.sees_rows
    params, state = showing(model, factor)
    *_, maps, _ = map(np.asarray, jax.jit(model.features)(params, state, X))
    run = jax.jit(
        lambda train, key, rows: model.apply(params, state, X, train=train, key=key, rows=rows)[0],
        static_argnums=0,
    )
    expected = pool(maps, axis=(1, 2))
    for example, row in enumerate(ROWS.tolist()):
        off = np.setdiff1d(np.arange(GENERAL, CHANNELS), owned(row))
        assert len(off) == CHANNELS - GENERAL - OWNED
        expected[example, off] = 0
    found = run(True, jax.random.key(1), ROWS)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    # No key and no place in the batch changes what an example owns.
    turned = run(("stage3",), jax.random.key(2), ROWS[::-1])
    np.testing.assert_array_equal(turned[5] != 0, (found[6] != 0))
    # At test time, and in training where the last stage is frozen.
    released = pool(maps, axis=(1, 2)) * (GENERAL + OWNED) / GENERAL
    released[:, GENERAL:] = 0
    for train in (False, ("stem", "head")):
        rows = ROWS if train else None
        logits = model.apply(
            params, state, X, train=train, key=None, **({"rows": rows} if train else {})
        )[0]
        np.testing.assert_allclose(logits, released, rtol=1e-4, atol=1e-6)


def test_channels_are_owned_evenly_and_without_regard_to_the_order() -> None:
    channels = TiedChannels.of(CHANNELS, SHARES)
    assert channels == (GENERAL, CHANNELS - GENERAL, OWNED)
    masks = np.asarray(jax.jit(channels.owned_by)(jnp.arange(800)))
    assert (masks.sum(axis=1) == OWNED).all()
    for row in (0, 7, 799):
        np.testing.assert_array_equal(np.flatnonzero(masks[row]) + GENERAL, owned(row))
    # Binomial with 800 draws of 1/8: five standard deviations are 47.
    assert np.abs(masks.sum(axis=0) - 800 * OWNED / (CHANNELS - GENERAL)).max() < 47
    assert TiedChannels.of(8, (0.5, 0.01)).owned == 1  # a share above zero owns one
    assert TiedChannels.of(8, (0.5, 0.0)).owned == 0
    assert not TiedChannels.of(8, (0.5, 0.0)).owned_by(jnp.arange(9)).any()


def test_without_it_nothing_of_it_is_in_a_program() -> None:
    variables = jax.eval_shape(resnet8(width=4).init, jax.random.key(0), X)

    def program(model: Model, **rows: jax.Array) -> str:
        key = jax.random.key(0)
        return str(
            jax.make_jaxpr(lambda v: model.apply(*v, X, train=True, key=key, **rows))(variables)
        )

    tied = resnet8(width=4, tied_dropout=SHARES)
    assert jax.eval_shape(tied.init, jax.random.key(0), X) == variables
    assert "random" not in program(resnet8(width=4))
    assert "random" in program(tied, rows=ROWS)
    assert resnet8(width=4).named_rows(ROWS) == {}


def test_what_wraps_a_model_hands_the_rows_on() -> None:
    model = resnet8(width=4, norm="group", tied_dropout=SHARES)
    variables = filled(model, X)
    plain, _ = model.apply(*variables, X, train=True, key=None, rows=ROWS)
    moved = standardized(model, mean=[1.0] * 3, deviation=[2.0] * 3)
    assert moved.sees_rows
    found, _ = moved.apply(*variables, 2 * X + 1, train=True, key=None, rows=ROWS)
    np.testing.assert_allclose(found, plain, rtol=1e-3, atol=1e-4)
    half = in_precision(model, "bfloat16")
    with jax.numpy_dtype_promotion("standard"):
        found, _ = half.apply(*variables, X, train=True, key=None, rows=ROWS)
    np.testing.assert_allclose(found, plain, atol=0.2)
    assert found.dtype == jnp.float32


def test_statistics_are_measured_without_rows() -> None:
    tied, plain = resnet8(width=4, tied_dropout=SHARES), resnet8(width=4)
    variables = filled(plain, X)
    found = recompute_statistics(tied, variables, X[None]).state
    expected = recompute_statistics(plain, variables, X[None]).state
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_shares_are_part_of_the_record_and_can_be_changed_from_outside() -> None:
    model = rebuilt(resnet8(width=4), tied_dropout=(0.5, 0.1))
    assert model.config["tied_dropout"] == (0.5, 0.1)
    assert rebuilt(model, tied_dropout=None).sees_rows is False


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ((1.0, 0.1), "leaves 32 of 32 channels general: at least one must be, and at least"),
        ((0.0, 0.1), "leaves 0 of 32 channels general"),
        ((0.5, 1.5), r"tied_dropout\[1\] must lie between 0 and 1, got 1.5"),
        ((-0.5, 0.5), r"tied_dropout\[0\] must lie between 0 and 1, got -0.5"),
    ],
)
def test_shares_that_cannot_be_are_refused(shares: tuple[float, float], message: str) -> None:
    for make in (partial(resnet8, width=8), partial(resnet9, width=4)):
        with pytest.raises(Refused, match=message):
            make(tied_dropout=shares)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(Refused, match=r"takes two shares, .* such as \(0.5, 0.1\); got \(0.5,\)"):
        TiedChannels.of(8, (0.5,))
    with pytest.raises(Refused, match=r"dropout=0.3 and tied_dropout=\(0.5, 0.1\) drop the same"):
        resnet9(dropout=0.3, tied_dropout=(0.5, 0.1))
    model = resnet8(width=4, tied_dropout=SHARES)
    with pytest.raises(Refused, match="trains by the rows at which its examples stand"):
        model.apply(*filled(model, X), X, train=True, key=None)
    with pytest.raises(Refused, match="adapters are for models without tied dropout"):
        lora(model, rank=1, x=X)
