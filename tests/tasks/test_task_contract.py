"""What every registered task must do: from data to a row of results."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kurtosis, skew

from pptp_jax.data import Balanced, Dataset, member_indices
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.evaluation.measure import Measure
from pptp_jax.evaluation.results import AttackResult, RecipeResult
from pptp_jax.fleets import FleetSpec, run_fleet
from pptp_jax.metrics import attack_metrics, masked_mean
from pptp_jax.models import (
    Model,
    ddpm,
    denoising_mlp,
    discriminator_mlp,
    gan,
    generator_mlp,
    gpt,
    mlp,
)
from pptp_jax.tasks import (
    TASKS,
    Adversarial,
    Binary,
    Denoising,
    Language,
    MultiLabel,
    Ordinal,
    Regression,
    Task,
)
from pptp_jax.training import undefended

EXAMPLES = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(EXAMPLES, 4)).astype(np.float32)
IDS = np.arange(EXAMPLES)


def data(task: Task) -> Dataset:
    if task == Binary():
        return Dataset("two", X, IDS % 2, IDS, 2)
    if task == MultiLabel():
        return Dataset("labels", X, (X[:, :3] > 0).astype(np.float32), IDS, None)
    if task in (Adversarial(), Denoising()):
        return Dataset("images", np.abs(np.sin(X)), IDS % 3, IDS, 3)
    if task.classes or task == Ordinal():
        return Dataset("classes", X, IDS % 3, IDS, 3)
    if task == Language():
        tokens = np.argsort(X, axis=1)
        following = np.where(IDS[:, None] % 4 + 1 > np.arange(4), tokens[:, ::-1], -1)
        return Dataset("tokens", tokens, following, IDS, None, vocabulary=4)
    return Dataset("numbers", X, X.sum(axis=1), IDS, None)


def model(task: Task) -> Model:
    if task == Language():
        return gpt(vocab=4, width=8, depth=1, heads=2, context=4)
    if task == Adversarial():
        return gan(generator_mlp([8], (4,), num_classes=3), discriminator_mlp([8], 3), 3)
    if task == Denoising():
        return ddpm(denoising_mlp([8], num_classes=3, embedding=4), steps=20, shape=(4,))
    outputs = {"classification": 3, "multi-label classification": 3, "ordinal regression": 2}
    return replace(mlp([8], outputs.get(task.name, 1)), task=task)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_goes_from_data_to_a_row(task: Task, tmp_path) -> None:
    membership = Balanced(models=2).draw(EXAMPLES, seed=0)
    spec = FleetSpec(
        model=model(task),
        recipe=undefended(1),
        data=data(task),
        members=member_indices(membership.matrix),
        batch_size=10,
        signals=task.signals,
    )
    fleet = run_fleet(spec, tmp_path).end
    for signal in task.signals:
        if signal.derive is None:
            assert fleet[signal.name].shape[signal.examples_axis] == EXAMPLES
            assert np.isfinite(fleet[signal.name]).all(), signal.name
    seen = attacked(fleet, membership, ("loss",), spec.data)
    assert not seen.notes and seen.scores["loss"].shape == (2, EXAMPLES)
    # The attack by the loss ranks as the log-likelihood does.
    order = np.argsort(seen.scores["loss"][0], kind="stable")
    if "log_prob" in fleet:
        assert (np.diff(fleet["log_prob"][0].mean(axis=0)[order]) >= -1e-5).all()
    draws = {"resamples": 9, "seed": 0}
    row = RecipeResult(
        slug="a",
        utility=masked_mean(seen.utility, ~seen.membership, **draws),
        train_utility=masked_mean(seen.utility, seen.membership, **draws),
        attacks={
            "loss": AttackResult(attack_metrics(seen.scores["loss"], seen.membership, **draws))
        },
    )
    record = row.to_json(Measure.of(task))
    assert RecipeResult.from_json(record) == row
    name = task.utility_name.replace(" ", "_")
    assert record[f"test_{name}"] == record["utility"] == row.utility._asdict()
    assert record["attacks"]["loss"]["auc"]["value"] is not None


@pytest.mark.parametrize("bias", [0.0, 1.0, 4.0])
def test_the_confidence_of_a_regression_is_nearly_gaussian(bias: float) -> None:
    """Nearer than the loss, and than its logarithm, whatever the bias of the shadows."""
    residuals = np.random.default_rng(1).normal(bias, 1, (20000, 1)).astype(np.float32)
    confidence = np.asarray(Regression().confidence(residuals, np.zeros(20000, np.float32)))
    square = residuals[:, 0] ** 2

    def apart(values: np.ndarray) -> float:
        return abs(skew(values)) + abs(kurtosis(values))

    assert apart(confidence) < 0.9
    assert apart(confidence) < min(apart(-square), apart(-np.log(square)))


def test_the_units_of_a_regression_do_not_matter() -> None:
    answers, targets = np.float32([[1.0], [4.0]]), np.float32([2.0, 2.0])
    large = Regression(scale=10.0)
    for of in ("confidence", "log_prob"):
        found = getattr(large, of)(10 * answers, 10 * targets)
        np.testing.assert_allclose(found, getattr(Regression(), of)(answers, targets), rtol=1e-6)
    np.testing.assert_allclose(large.utility(10 * answers, 10 * targets), [100, 400])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Regression(scale=0.0), "scale must be a finite number above 0"),
        (lambda: Regression().check(np.zeros((1, 1)), data(TASKS[0])), "has 3 classes, and regres"),
        (
            lambda: Regression().check(np.zeros((1, 2)), data(Regression())),
            r"\(batch, 1\); it retu",
        ),
        (lambda: TASKS[0].check(np.zeros((1, 2)), data(Regression())), "numbers has no classes"),
        (lambda: Dataset("d", X, IDS, IDS, None), "without classes, y must hold floats"),
        (lambda: Dataset("d", X, X[:4, 0], IDS, None), "y must have 60 rows"),
        (lambda: Dataset("d", X, np.full(60, np.nan), IDS, None), "finite numbers of 32 bits"),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
