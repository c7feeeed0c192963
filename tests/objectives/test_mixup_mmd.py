"""Mixup mixes inputs and labels alike; the MMD is none between equal samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.objectives import MixupMMD
from pptp_jax.objectives.mixup_mmd import squared_mmd

BATCH = 7
mix = jax.jit(lambda objective, key, x, soft: objective.mix(key, x, soft))


def test_inputs_and_labels_are_mixed_by_the_same_share_with_the_same_partner() -> None:
    x = jax.random.normal(jax.random.key(0), (BATCH, 2, 3))
    mixed, soft = mix(MixupMMD(weight=1.0), jax.random.key(1), x, jnp.eye(BATCH))
    half = BATCH // 2
    np.testing.assert_array_equal(mixed[:half], x[:half])
    np.testing.assert_array_equal(soft[:half], jnp.eye(BATCH)[:half])
    # With a class for each example the soft labels tell who was mixed with whom.
    shares = np.asarray(soft)[half:]
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(shares.sum(0)[half:], 1, rtol=1e-6)
    assert not shares[:, :half].any() and len(np.unique(shares[shares > 0].round(5))) > 1
    np.testing.assert_allclose(
        mixed[half:], np.einsum("rb,bij->rij", shares, np.asarray(x)), atol=1e-5
    )


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_the_share_is_drawn_from_a_beta_distribution(alpha: float) -> None:
    # Three of six rows are mixed; a row that is its own partner tells nothing of the share.
    keys = jax.random.split(jax.random.key(2), 3000)
    in_axes = (None, 0, None, None)
    soft = jax.vmap(mix, in_axes)(
        MixupMMD(weight=1.0, mixup_alpha=alpha), keys, jnp.zeros((6, 1)), jnp.eye(6)
    )[1]
    own = np.asarray(soft)[:, 3:, 3:].diagonal(axis1=1, axis2=2)
    shares = np.array([row.min() for row in own if row.min() < 1])
    assert len(shares) > 2000
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_the_distance_of_samples() -> None:
    rng = np.random.default_rng(0)
    u, v = (jnp.asarray(rng.normal(size=(n, 3)), jnp.float32) for n in (5, 8))
    assert float(squared_mmd(u, u[::-1], 0.7)) == pytest.approx(0, abs=1e-6)
    assert float(squared_mmd(u, v, 0.7)) == pytest.approx(float(squared_mmd(v, u, 0.7)), rel=1e-5)
    near, far = (float(squared_mmd(u, u + shift, 0.7)) for shift in (0.1, 1.0))
    assert 0 < near < far


def test_a_batch_of_one_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match="it needs at least 2 examples, got 1"):
        MixupMMD(weight=1.0).mix(jax.random.key(0), jnp.zeros((1, 2)), jnp.eye(1))
