"""Fleets on disturbed inputs, against linear models of which everything is known."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Model, Variables
from pptp_jax.robustness import Robustness, Trial, check_disturbable, right_when_disturbed
from pptp_jax.robustness.measure import BATCH

MODEL = Model(
    init=lambda key, x: Variables({"w": jnp.zeros((x.shape[1], 2))}, {}),
    apply=lambda p, state, x, *, train, key: (x @ p["w"], state),
)
KEY = jax.random.key(0)
HOW = Robustness(epsilons=(0.02,), l2_epsilons=(0.1,), steps=(5, 20), noise=(0.2,), draws=200)


def planes(models: int = 3, examples: int = 130, features: int = 4):
    rng = np.random.default_rng(1)
    # Far from the ends of the range, which one example reaches.
    x = rng.uniform(-1, 1, size=(examples, features)).astype(np.float32)
    x[-1], x[-2] = 30, -30
    w = rng.normal(size=(models, features, 2)).astype(np.float32)
    y = np.einsum("nf,fc->nc", x, w[0]).argmax(axis=1)
    data = Arrays.of(Dataset("planes", x, y, np.arange(examples), 2, scale=0.5))
    rows = np.stack([rng.permutation(examples - 2)[: BATCH + 13] for _ in range(models)])
    normal = w[:, :, 1] - w[:, :, 0]
    margins = np.einsum("mrf,mf->mr", 0.5 * x[rows], normal) * np.where(y[rows] == 1, 1, -1)
    return Variables({"w": jnp.asarray(w)}, {}), data, jnp.asarray(rows), normal, margins


def test_every_trial_of_planes() -> None:
    fleet, data, rows, normal, margins = planes()
    found = np.asarray(right_when_disturbed(MODEL, fleet, data, rows, KEY, HOW))
    assert found.shape == (3, len(HOW.trials), BATCH + 13)
    for i, trial in enumerate(HOW.trials):
        if trial.kind == "noise":
            sides = margins / np.linalg.norm(normal, axis=1)[:, None]
            np.testing.assert_allclose(found[:, i], norm.cdf(sides / 0.2), atol=0.15)
            assert np.abs(found[:, i] - norm.cdf(sides / 0.2)).mean() < 0.03
        else:
            dual = {None: None, "linf": 1, "l2": 2}[trial.norm]
            lost = trial.size * np.linalg.norm(normal, axis=1, ord=dual)
            np.testing.assert_array_equal(found[:, i], margins > lost[:, None])


def test_a_model_is_looked_at_the_same_alone_and_an_example_in_any_batch() -> None:
    fleet, data, rows, _, _ = planes()
    found = np.asarray(right_when_disturbed(MODEL, fleet, data, rows, KEY, HOW))
    alone = jax.tree.map(lambda leaf: leaf[1:2], fleet)
    one = np.asarray(right_when_disturbed(MODEL, alone, data, rows[1:2, ::-1][:, :20], KEY, HOW))
    np.testing.assert_array_equal(one[0], found[1, :, ::-1][:, :20])


def test_no_radius_changes_nothing() -> None:
    fleet, data, rows, _, _ = planes()
    least = Robustness(epsilons=(1e-12,), steps=(3,), noise=(1e-12,))
    found = np.asarray(right_when_disturbed(MODEL, fleet, data, rows, KEY, least))
    for trial in range(1, 4):
        np.testing.assert_array_equal(found[:, trial], found[:, 0])


def test_the_range_of_the_data_protects_what_lies_at_its_end() -> None:
    """All inputs are 1 or less, so that none can be moved up."""
    x = np.array([[1.0], [1.0], [0.2]], np.float32)
    data = Arrays.of(Dataset("end", x, np.array([0, 0, 0]), np.arange(3), 2))

    def apply(p, state, x, *, train, key):
        return jnp.concatenate([1.05 - x, jnp.zeros_like(x)], axis=1) * p["w"], state

    fleet = Variables({"w": jnp.ones(1)}, {})
    how = Robustness(epsilons=(0.2,), steps=(10,), noise=(5.0,), draws=50)
    rows = jnp.array([[0, 1]])
    found = right_when_disturbed(replace(MODEL, apply=apply), fleet, data, rows, KEY, how)
    np.testing.assert_array_equal(found, 1.0)


def test_the_trials() -> None:
    assert HOW.trials == (
        Trial(kind="clean"),
        Trial(kind="fgsm", norm="linf", size=0.02),
        Trial(kind="pgd", norm="linf", size=0.02, steps=5),
        Trial(kind="pgd", norm="linf", size=0.02, steps=20),
        Trial(kind="fgsm", norm="l2", size=0.1),
        Trial(kind="pgd", norm="l2", size=0.1, steps=5),
        Trial(kind="pgd", norm="l2", size=0.1, steps=20),
        Trial(kind="noise", size=0.2),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilons": 0.1}, r"epsilons must be a tuple, as in epsilons=\(\.\.\., \.\.\.\)"),
        ({"l2_epsilons": (1.0, 0.0)}, r"l2_epsilons\[1\] must be a finite number above 0, got 0"),
        ({"noise": (-1.0,)}, r"noise\[0\] must be a finite number above 0, got -1.0"),
        ({"steps": (10, 0)}, r"steps\[1\] must be an integer of at least 1, got 0"),
        ({"draws": 0}, "draws must be an integer of at least 1, got 0"),
        ({"examples": 0}, "examples must be an integer of at least 1, got 0"),
        ({"pace": 0.0}, "pace must be a finite number above 0, got 0.0"),
        (
            {"epsilons": (), "noise": ()},
            "needs at least one of epsilons, l2_epsilons, noise and cor",
        ),
        ({"corruptions": ("blur",), "severities": ()}, "corruptions need severities"),
        ({"severities": (2.0,)}, r"severities\[0\] must be an integer from 1 to 5, got 2\.0"),
        ({"surrogates": 1, "steps": ()}, r"surrogates need steps of PGD, such as \(40,\)"),
        ({"surrogates": 1, "epsilons": ()}, "surrogates need epsilons or l2_epsilons"),
    ],
)
def test_settings_that_cannot_be(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Robustness(**change)


def two(name: str, x: np.ndarray, **more) -> Dataset:
    return Dataset(name, x, np.arange(2), np.arange(2), 2, **more)


def test_what_can_be_disturbed() -> None:
    check_disturbable(two("grey", np.eye(2, dtype=np.uint8), scale=1 / 255))
    check_disturbable(two("real", np.eye(2) / 2))
    with pytest.raises(ValueError, match="bits: all inputs are 0 or 1"):
        check_disturbable(two("bits", np.eye(2, dtype=bool)))
    with pytest.raises(ValueError, match="ids: all inputs are symbols"):
        check_disturbable(two("ids", np.eye(2, dtype=int), vocabulary=9))
