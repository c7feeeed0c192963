"""CRL's centres: two steps of them by hand, and the bound."""

import functools

import jax
import jax.numpy as jnp
import naive_objectives as naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from objective_cases import context_for, examples, in_float64, start

from pptp_jax.objectives import CRL, Context
from pptp_jax.objectives.crl import bounded

pytestmark = pytest.mark.usefixtures("compile_in_haste")
learn = jax.jit(lambda objective, *seen: objective.learn(*seen))


def naive_second_part(z, y, numbers, centres):
    return 2.0 * naive.centre_distance(z, y, centres, **numbers)


def test_two_steps_of_the_centres_by_hand() -> None:
    objective = CRL(alpha=1.0, weight=2.0, centre_t=0.5, learning_rate=0.3, weight_decay=0.1)
    context = context_for(objective, 0)
    centres = in_float64(context.state.centres)
    velocity = np.zeros_like(centres)
    for epoch in (0, 1):
        logits, labels = examples(epoch)
        context = context._replace(epoch=jnp.int32(epoch))
        context = context._replace(state=learn(objective, logits, labels, context))

        seen = in_float64((logits, labels))
        numbers = {"alpha": 1.0, "upper": 1.0, "t": 0.5, "epoch": epoch}
        loss = functools.partial(naive_second_part, *seen, numbers)
        velocity = 0.9 * velocity + naive.differences(loss, centres) + 0.1 * centres
        centres = centres - 0.3 * velocity
    np.testing.assert_allclose(context.state.centres, centres, rtol=1e-4, atol=1e-5)


def test_centres_go_to_their_classes_features() -> None:
    # Above its target the distance itself is learned.
    objective = CRL(alpha=1.0, centre_alpha=0.0, weight=1.0, learning_rate=1.0, weight_decay=0.0)
    logits, labels = 2.0 * jnp.eye(4), jnp.arange(4)
    context = Context(state=start(objective, jax.random.key(0)))
    for _ in range(600):
        context = context._replace(state=learn(objective, logits, labels, context))
    ends = bounded(context.state.centres, 1.0)
    np.testing.assert_allclose(ends, bounded(logits, 1.0), atol=0.02)


@given(st.floats(0.01, 10), st.floats(0.01, 100))
def test_bounded_vectors_keep_their_direction(t: float, scale: float) -> None:
    vectors = scale * jnp.array([[3.0, 4.0], [0.0, -1.0]])
    shorter = np.asarray(bounded(vectors, t))
    lengths = np.linalg.norm(shorter, axis=1)
    assert (lengths < 1 / t).all()
    np.testing.assert_allclose(
        shorter / lengths[:, None], np.array([[0.6, 0.8], [0.0, -1.0]]), atol=1e-5
    )


def test_zero_logits_have_a_finite_gradient() -> None:
    objective = CRL(alpha=1.0)
    context = context_for(objective, 0)
    slope = jax.jit(jax.grad(lambda z: objective(z, jnp.arange(4), context)))
    gradient = slope(jnp.zeros((4, 4)))
    assert jnp.isfinite(gradient).all()
