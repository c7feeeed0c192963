"""Mixup mixes inputs and labels alike; the MMD is none between equal samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.objectives import MixupMMD
from pptp_jax.objectives.mixup_mmd import squared_mmd
from pptp_jax.tasks import Batch

pytestmark = pytest.mark.usefixtures("compile_in_haste")
BATCH = 7
INPUTS = jax.random.normal(jax.random.key(0), (BATCH, 2, 3))


@jax.jit
def mix_often(objective: MixupMMD) -> tuple[jax.Array, jax.Array]:
    """With a class for each example the soft labels tell who was mixed with whom."""
    keys = jax.random.split(jax.random.key(2), 3000)
    batch = Batch(INPUTS, jnp.arange(BATCH))

    def once(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        mixed = objective.mix(key, batch, jnp.zeros((1, BATCH)))
        return mixed.inputs, mixed.teacher

    return jax.vmap(once)(keys)


distance = jax.jit(squared_mmd)


def test_inputs_and_labels_are_mixed_by_the_same_share_with_the_same_partner() -> None:
    half = BATCH // 2
    batches = (np.asarray(part[:20]) for part in mix_often(MixupMMD(weight=1.0)))
    for mixed, soft in zip(*batches, strict=True):
        np.testing.assert_array_equal(mixed[:half], INPUTS[:half])
        np.testing.assert_array_equal(soft[:half], np.eye(BATCH)[:half])
        shares = soft[half:]
        assert not shares[:, :half].any()
        assert ((shares > 0).sum(1) <= 2).all()
        np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(shares.sum(0)[half:], 1, rtol=1e-5)
        known = np.einsum("rb,bij->rij", shares, np.asarray(INPUTS))
        np.testing.assert_allclose(mixed[half:], known, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_the_share_is_drawn_from_a_beta_distribution(alpha: float) -> None:
    soft = np.asarray(mix_often(MixupMMD(weight=1.0, mixup_alpha=alpha))[1])
    half = BATCH // 2
    own = soft[:, half:, half:].diagonal(axis1=1, axis2=2)
    # A row that is its own partner tells nothing of the share.
    shares = np.array([row.min() for row in own if row.min() < 1])
    assert len(shares) > 2000
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_the_distance_of_samples() -> None:
    rng = np.random.default_rng(0)
    u, v = (jnp.asarray(rng.normal(size=(n, 3)), jnp.float32) for n in (5, 8))
    assert float(distance(u, u[::-1], 0.7)) == pytest.approx(0, abs=1e-6)
    assert float(distance(u, v, 0.7)) == pytest.approx(float(distance(v, u, 0.7)), rel=1e-5)
    near, far = (float(distance(u, u + shift, 0.7)) for shift in (0.1, 1.0))
    assert 0 < near < far


def test_a_batch_of_one_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match="it needs at least 2 examples, got 1"):
        one = Batch(jnp.zeros((1, 2)), jnp.array([0]))
        MixupMMD(weight=1.0).mix(jax.random.key(0), one, jnp.zeros((1, 1)))
