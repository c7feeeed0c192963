"""Teachers: SELENA's sub-models never answer for what they saw, DMP's student sees no member."""

from functools import cache, partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import (
    BATCH,
    CE,
    DATA,
    INDICES,
    MODEL,
    descend,
    initial,
    of,
    own_key,
    slope,
    softmax,
    watched,
)

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables
from pptp_jax.objectives import Distillation
from pptp_jax.training import Ensemble, Strategy, dmp, fitting_chunk, selena
from pptp_jax.training.ensemble import ensemble_answers, members_of

pytestmark = pytest.mark.usefixtures("compile_in_haste")

ENSEMBLE = Ensemble(models=3, left_out=1)
SIZES = st.integers(2, 7).flatmap(
    lambda k: st.tuples(st.just(k), st.integers(1, k - 1), st.integers(k, 40))
)


@given(SIZES)
def test_each_member_is_left_out_by_exactly_l_equal_parts(sizes: tuple[int, int, int]) -> None:
    k, left_out, count = sizes
    ensemble, members = Ensemble(models=k, left_out=left_out), np.arange(count) * 3 + 5
    parts = np.asarray(members_of(ensemble, jnp.asarray(members)))
    assert parts.shape == (k, ensemble.part(count))
    assert all(len(set(part)) == len(part) for part in parts.tolist())
    absent = np.array([sum(m not in part for part in parts) for m in members])
    whole = count // k * k
    assert (absent[:whole] == left_out).all() and (absent[whole:] == k).all()


@pytest.mark.parametrize("sizes", [(3, 1, 7), (5, 3, 11)])
def test_only_sub_models_that_never_saw_a_member_answer_for_it(sizes: tuple[int, int, int]) -> None:
    """Sub-models whose answer is their own number: the mean tells who has answered."""
    k, left_out, count = sizes
    ensemble, members = Ensemble(models=k, left_out=left_out), jnp.arange(count)
    telling = Model(
        init=lambda key, x: Variables(jnp.zeros(k), {}),
        apply=lambda params, state, x, *, train, key: (jnp.tile(params, (len(x), 1)), state),
    )
    data = Arrays(jnp.zeros((count, 1)), jnp.zeros(count, int), jnp.float32(1), jnp.arange(0))
    numbered = Variables(1e3 * jnp.eye(k), {})
    told = np.asarray(ensemble_answers(ensemble, telling, numbered, data, members))
    parts = np.asarray(members_of(ensemble, members))
    for member, shares in enumerate(told):
        answered = np.flatnonzero(shares)
        assert len(answered) == left_out
        np.testing.assert_allclose(shares[answered], 1 / left_out, rtol=1e-6)
        assert all(member not in parts[m] for m in answered)


def ce(rows: np.ndarray, now: Any, places: np.ndarray, epoch: int) -> Any:
    return slope(CE, now, rows[places], None, epoch)


def student(soft: np.ndarray, rows: np.ndarray, now: Any, places: np.ndarray, epoch: int) -> Any:
    return slope(Distillation(), now, rows[places], jnp.asarray(soft[places]), epoch)


@cache
def answers_of_others() -> np.ndarray:
    """What the second model's sub-models that never saw a member say of it, after an epoch."""
    rows, key = INDICES[1], own_key(1)
    parts = np.asarray(members_of(ENSEMBLE, jnp.asarray(rows)))
    answers = []
    for own, part in zip(
        jax.random.split(jax.random.fold_in(key, 2**31 + 1), 3), parts, strict=True
    ):
        start = MODEL.init(jax.random.fold_in(own, 0), DATA.inputs(slice(0, 1))).params
        answers.append(softmax(descend(start, partial(ce, part), 26, own, 1), rows))
    return np.array([answers[place % 3][place] for place in range(40)])


def test_selena_is_a_naive_loop() -> None:
    rows, key = INDICES[1], own_key(1)
    seen = watched(selena(1, 2, ENSEMBLE))
    assert sorted(seen) == [2, 3]  # nothing is shown while sub-models train
    soft = answers_of_others()
    params = descend(initial(1).params, partial(student, soft, rows), 40, key, 2, begun=1)
    chex.assert_trees_all_close(of(seen[3], 1), params, rtol=1e-3, atol=1e-5)


def test_selena_in_a_region_trains_the_rest_by_the_labels() -> None:
    """The stem moves by the slope of the distillation, the others by that of cross-entropy."""
    rows, key = INDICES[1], own_key(1)
    seen = watched(selena(1, 1, ENSEMBLE, region="stem"))
    soft = answers_of_others()

    def mixed(now: Any, places: np.ndarray, epoch: int) -> Any:
        taught, learned = student(soft, rows, now, places, epoch), ce(rows, now, places, epoch)
        return {**learned, "stem": taught["stem"]}

    params = descend(initial(1).params, mixed, 40, key, 1, begun=1)
    chex.assert_trees_all_close(of(seen[2], 1), params, rtol=1e-3, atol=1e-5)


def test_dmp_is_a_naive_loop_whose_student_sees_no_member() -> None:
    rows, key, reference = INDICES[1], own_key(1), np.asarray(DATA.reference)
    seen = watched(dmp(1, 2))
    teacher = descend(initial(1).params, partial(ce, rows), 40, key, 1)
    chex.assert_trees_all_close(of(seen[1], 1), teacher, rtol=1e-3, atol=1e-5)
    assert not set(reference) & set(INDICES.ravel())
    soft = softmax(teacher, reference)
    start = initial(1).params
    params = descend(start, partial(student, soft, reference), 40, key, 2, begun=1)
    chex.assert_trees_all_close(of(seen[3], 1), params, rtol=1e-3, atol=1e-5)


def test_a_student_of_dmp_learns_at_the_temperature_given() -> None:
    recipe = dmp(1, 2, temperature=3.0)
    assert recipe.phases[1].by_region["whole"].temperature == 3.0
    assert recipe.slug == "dmp_1+2_distillation_3"


def test_an_ensemble_takes_the_memory_of_all_its_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pptp_jax.training.memory._memory", lambda: 2_000_000)
    assert selena(1, 1).networks == 25 and dmp(1, 1).networks == 1
    fit = partial(fitting_chunk, MODEL, DATA, BATCH, 1000, strategy=Strategy(order="vmap"))
    assert fit(networks=5) == pytest.approx(fit() / 5, abs=1)
