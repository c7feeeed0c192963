"""Mixup mixes all of a batch, inputs and labels alike, by one share from a beta distribution."""

import jax
import jax.numpy as jnp
import naive_objectives as naive
import numpy as np
import pytest

from pptp_jax.objectives import Context, Mixup
from pptp_jax.tasks import Batch

pytestmark = pytest.mark.usefixtures("compile_in_haste")
BATCH = 7
INPUTS = jax.random.normal(jax.random.key(0), (BATCH, 2, 3))
LOGITS = jax.random.normal(jax.random.key(1), (BATCH, 3))
LABELS = jnp.array([0, 2, 1, 1, 0, 2, 0])


@jax.jit
def mix_often(objective: Mixup) -> tuple[jax.Array, jax.Array]:
    """With a class for each example the soft labels tell who was mixed with whom."""
    keys = jax.random.split(jax.random.key(2), 3000)
    batch = Batch(INPUTS, jnp.arange(BATCH))

    def once(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        mixed = objective.mix(key, batch, jnp.zeros((1, BATCH)))
        return mixed.inputs, mixed.teacher

    return jax.vmap(once)(keys)


def partner_and_share(soft: np.ndarray) -> tuple[np.ndarray, float]:
    """With whom each example of a batch was mixed, and the share that it has of itself."""
    others = soft * (1 - np.eye(BATCH))
    partners = np.where(others.any(1), others.argmax(1), np.arange(BATCH))
    return partners, soft.diagonal().min()  # 1 where an example is its own partner


def test_all_examples_are_mixed_by_one_share_in_a_random_order() -> None:
    inputs, softs = (np.asarray(part[:50]) for part in mix_often(Mixup(alpha=1.0)))
    orders = set()
    for x, soft in zip(inputs, softs, strict=True):
        order, share = partner_and_share(soft)
        orders.add(tuple(order))
        assert sorted(order) == list(range(BATCH))
        known, labels = np.zeros_like(x), np.zeros_like(soft)
        for i, j in enumerate(order):
            known[i] = share * INPUTS[i] + (1 - share) * INPUTS[j]
            labels[i, i] += share
            labels[i, j] += 1 - share
        np.testing.assert_allclose(x, known, atol=1e-5)
        np.testing.assert_allclose(soft, labels, atol=1e-5)
    assert len(orders) > 45


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_share_is_drawn_from_a_beta_distribution(alpha: float) -> None:
    softs = np.asarray(mix_often(Mixup(alpha=alpha))[1])
    shares = np.array([partner_and_share(soft)[1] for soft in softs])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_the_loss_is_that_of_both_labels_in_their_shares() -> None:
    """As the published code writes it: λ CE(z, y) + (1 − λ) CE(z, y')."""
    objective, key = Mixup(alpha=1.0), jax.random.key(3)
    apart = objective.mix(key, Batch(INPUTS, jnp.arange(BATCH)), jnp.zeros((1, BATCH)))
    order, share = partner_and_share(np.asarray(apart.teacher))
    mixed = objective.mix(key, Batch(INPUTS, LABELS), LOGITS[:1])
    ours = objective(LOGITS, mixed.targets, Context(teacher=mixed.teacher))
    z, y = np.asarray(LOGITS, np.float64), np.asarray(LABELS)
    own, others = (
        np.mean([naive.cross_entropy(row, label) for row, label in zip(z, labels, strict=True)])
        for labels in (y, y[order])
    )
    assert abs(own - others) > 1e-2 and 0.05 < share < 0.95
    assert float(ours) == pytest.approx(share * own + (1 - share) * others, rel=1e-5)


def test_a_teachers_answers_are_mixed_in_place_of_labels() -> None:
    objective, key, answers = Mixup(alpha=1.0), jax.random.key(3), jax.nn.softmax(LOGITS)
    apart = objective.mix(key, Batch(INPUTS, jnp.arange(BATCH)), jnp.zeros((1, BATCH)))
    taught = objective.mix(key, Batch(INPUTS, LABELS, teacher=answers), LOGITS[:1])
    np.testing.assert_allclose(taught.teacher, apart.teacher @ answers, atol=1e-6)
    np.testing.assert_array_equal(taught.inputs, apart.inputs)
