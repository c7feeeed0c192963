"""Clipping norms by member: against a naive twin, in training, and in the ledger."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Digits
from pptp_jax.models import mlp
from pptp_jax.privacy import individual_clipping, individual_sampling
from pptp_jax.regions import RegionMap
from pptp_jax.study.individual_guarantee import individual_guarantees
from pptp_jax.training import SGD, Poisson, Private, dp_sgd, train_fleet
from pptp_jax.transforms import RegionClip, clipped_grad
from pptp_jax.validation import Refused

MODEL = mlp([8], num_classes=10)
MEMBERS = 60
RUN = {"expected_batch_size": 12.0, "steps": 10}
BUDGETS = [8.0] * 20 + [2.0] * 40


def trained(private: Private, batches: Poisson | None = None, rows: np.ndarray | None = None):
    data = Arrays.of(Digits().load())
    members = np.arange(MEMBERS)[None] if rows is None else rows[None]
    recipe = dp_sgd(private, epochs=2, batches=batches or Poisson())
    [fleet] = train_fleet(MODEL, recipe, data, members, optimizer=SGD(), batch_size=12)
    return jax.tree.leaves(fleet.variables.params)


def test_each_example_is_clipped_to_its_own_norm():
    regions = RegionMap.from_rules([("a", "protect"), ("b", "general")])
    clip = RegionClip(regions, "protect", max_norm=2.0)
    gradients = {"a": jax.random.normal(jax.random.key(0), (5, 3)) * 3, "b": jnp.ones((5, 2))}
    relative = np.array([0.0, 0.25, 1.0, 3.0, 100.0])
    expected = sum(
        g * min(1.0, 2.0 * r / np.linalg.norm(g))
        for g, r in zip(np.asarray(gradients["a"]), relative, strict=True)
    )
    found = clip.sum(gradients, relative_norms=jnp.asarray(relative))
    np.testing.assert_allclose(found["a"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["b"], 5.0)


def test_microbatches_keep_the_norms_with_their_examples():
    clip = RegionClip(RegionMap.from_rules([(".*", "protect")]), "protect", max_norm=1.0)
    batch, relative = jnp.array([4.0, -3.0, 0.5, 2.0]), jnp.array([0.5, 2.0, 1.0, 0.1])

    def total(size: int | None):
        return clipped_grad(lambda p, x: p["w"] * x, clip, microbatch_size=size)(
            {"w": 1.0}, batch, None, relative
        )["w"]

    assert total(None) == pytest.approx(0.5 - 2.0 + 0.5 + 0.1)
    assert total(2) == pytest.approx(float(total(None)))


def test_norms_of_one_are_training_without_them():
    plain = trained(Private(noise_multiplier=1.0))
    ones = trained(Private(noise_multiplier=1.0, relative_norms=np.ones(MEMBERS)))
    for a, b in zip(plain, ones, strict=True):
        np.testing.assert_array_equal(a, b)


def test_who_may_keep_nothing_leaves_no_trace():
    norms = np.ones(MEMBERS)
    norms[7] = 0.0
    rule = Private(noise_multiplier=1.0, relative_norms=norms)
    other = np.arange(MEMBERS)
    other[7] = 1000  # another example in its place
    for a, b in zip(trained(rule), trained(rule, rows=other), strict=True):
        np.testing.assert_array_equal(a, b)
    heard = Private(noise_multiplier=1.0)
    changed = [
        not np.array_equal(a, b)
        for a, b in zip(trained(heard), trained(heard, rows=other), strict=True)
    ]
    assert any(changed)


@pytest.mark.parametrize("budget", [individual_sampling, individual_clipping])
def test_the_ledger_gives_each_member_what_it_was_promised(budget):
    found = budget(BUDGETS, 1 / (10 * MEMBERS), **RUN)
    private = Private(
        noise_multiplier=found.noise_multiplier, relative_norms=found.norms.astype(np.float32)
    )
    recipe = dp_sgd(private, epochs=2, batches=Poisson(rate=found.rates))
    each = individual_guarantees(recipe, MODEL, MEMBERS, 12)
    assert each is not None and len(each) == MEMBERS
    for place, promised in enumerate(BUDGETS):
        assert 0.7 * promised < each[place].epsilon <= promised * (1 + 1e-3)
    # And it trains.
    assert all(np.isfinite(leaf).all() for leaf in trained(private, Poisson(rate=found.rates)))


def test_members_who_are_alike_have_no_guarantee_of_their_own():
    recipe = dp_sgd(Private(noise_multiplier=2.0), epochs=1, batches=Poisson())
    assert individual_guarantees(recipe, MODEL, MEMBERS, 12) is None


def test_without_noise_nobody_has_an_epsilon():
    rule = Private(noise_multiplier=0.0, relative_norms=[0.5] * 30 + [1.0] * 30)
    recipe = dp_sgd(rule, epochs=1, batches=Poisson())
    assert individual_guarantees(recipe, MODEL, MEMBERS, 12) is None


@pytest.mark.parametrize(
    ("norms", "message"),
    [
        ([], "relative_norms must be one number for each member"),
        (1.0, "relative_norms must be one number for each member"),
        ([1.0, -1.0], "relative_norms must be .* at least 0"),
    ],
)
def test_bad_norms_are_refused(norms, message):
    with pytest.raises(Refused, match=message):
        Private(noise_multiplier=1.0, relative_norms=norms)


def test_norms_of_other_members_are_refused_before_training():
    with pytest.raises(Refused, match="Private has 3 relative_norms for 60 members"):
        trained(Private(noise_multiplier=1.0, relative_norms=[1.0, 1.0, 1.0]))
