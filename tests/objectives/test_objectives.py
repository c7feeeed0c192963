"""What holds for every objective: its formula, its gradient, its strengths, its presets."""

import jax
import jax.numpy as jnp
import naive_objectives as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objective_cases import CASES, context_for, examples, in_float64

from pptp_jax import objectives
from pptp_jax.objectives import (
    CCL,
    CRL,
    HAMP,
    AdversarialRegularisation,
    ConfidencePenalty,
    Distillation,
    LabelSmoothing,
    Mixup,
    MixupMMD,
    Objective,
    RelaxLoss,
    TaskLoss,
)

every_case = pytest.mark.parametrize("name", CASES)


@jax.jit
def value_and_gradient(objective, logits, labels, context):
    return jax.value_and_grad(lambda z: objective(z, labels, context))(logits)


@every_case
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), epoch=st.integers(0, 3))
def test_the_loss_is_the_formula(name: str, seed: int, epoch: int) -> None:
    objective, known = CASES[name]
    logits, labels = examples(seed)
    context = context_for(objective, seed % 3, epoch)
    ours = value_and_gradient(objective, logits, labels, context)[0]
    expected = known(*in_float64((logits, labels, context)), epoch)
    assert float(ours) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@every_case
@pytest.mark.parametrize("epoch", [0, 1])
def test_the_gradient_is_that_of_the_formula(name: str, epoch: int) -> None:
    objective, known = CASES[name]
    logits, labels = examples(1)
    context = context_for(objective, 0, epoch)
    ours = value_and_gradient(objective, logits, labels, context)[1]
    z, y, seen = in_float64((logits, labels, context))
    expected = naive.differences(lambda moved: known(moved, y, seen, epoch), z)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in CASES if name != "task_loss"])
def test_a_sweep_over_strengths_is_one_mapped_call(name: str) -> None:
    objective = CASES[name].objective
    logits, labels = examples(2)
    context = context_for(objective, 0, epoch=1)
    sweep = [jax.tree.map(lambda leaf, s=share: leaf * s, objective) for share in (1.0, 0.8, 0.5)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.float32(v) for v in leaves]), *sweep)
    axes = (0, None, None, None)
    swept = jax.vmap(value_and_gradient, in_axes=axes)(stacked, logits, labels, context)
    for number, one in enumerate(sweep):
        alone = value_and_gradient(one, logits, labels, context)
        for together, single in zip(swept, alone, strict=True):
            np.testing.assert_allclose(together[number], single, rtol=1e-5, atol=1e-6)


def test_another_strength_compiles_nothing_again() -> None:
    traces = []

    @jax.jit
    def loss(objective: Objective, logits: jax.Array, labels: jax.Array) -> jax.Array:
        traces.append(objective)
        return objective(logits, labels)

    for gamma in (0.2, 0.7):
        loss(HAMP(gamma=gamma, alpha=0.1), *examples(0))
    assert len(traces) == 1


@pytest.mark.parametrize("name", ["mixup_mmd", "adversarial_regularisation"])
def test_reference_examples_get_no_gradient(name: str) -> None:
    objective = CASES[name].objective
    assert objective.needs_reference
    logits, labels = examples(3)
    context = context_for(objective, 0)

    def loss(reference_logits: jax.Array) -> jax.Array:
        reference = context.reference._replace(outputs=reference_logits)
        return objective(logits, labels, context._replace(reference=reference))

    assert not jax.jit(jax.grad(loss))(context.reference.outputs).any()


@every_case
def test_what_is_learned_can_be_carried_from_step_to_step(name: str) -> None:
    objective = CASES[name].objective
    logits, labels = examples(4)
    context = context_for(objective, 0)

    def step(state, _):
        return objective.learn(logits, labels, context._replace(state=state)), None

    def train(state):
        return jax.lax.scan(step, state, None, length=2)[0]

    assert jax.eval_shape(train, context.state) == jax.eval_shape(lambda: context.state)


PUBLISHED = {
    RelaxLoss: {
        "cifar10/resnet20": (1.0, 1.0, "official"),
        "cifar10/vgg11_bn": (0.4, 1.0, "official"),
        "cifar100/resnet20": (3.0, 1.0, "official"),
        "cifar100/vgg11_bn": (0.5, 1.0, "official"),
        "purchase100": (0.8, 0.3, "official"),
        "texas100": (2.5, 0.1, "official"),
    },
    HAMP: {
        "purchase100": (0.8, 0.01),
        "texas100": (0.6, 0.01),
        "cifar10": (0.95, 0.001),
        "cifar100": (0.5, 0.005),
        "location30": (0.5, 0.001),
    },
    CCL: {"cifar10/resnet18": (0.5, 0.05, "exponential")},
    Mixup: {"cifar10/resnet18": (1.0,)},
    MixupMMD: {"cifar100/alexnet": (1.0, 3.0, 1.0)},
    AdversarialRegularisation: {
        "purchase100": (3.0, (64,), 1, 1e-3),
        "texas100": (10.0, (64,), 1, 1e-3),
        "location30": (10.0, (64,), 1, 1e-3),
        "cifar10": (6.0, (64,), 1, 1e-3),
        "cifar100": (6.0, (64,), 1, 1e-3),
    },
}


@pytest.mark.parametrize("kind", PUBLISHED, ids=lambda kind: kind.__name__)
def test_published_settings(kind: type[Objective]) -> None:
    assert set(kind.settings) == set(PUBLISHED[kind])
    for setting, numbers in PUBLISHED[kind].items():
        assert tuple(vars(kind.published(setting)).values()) == numbers
    with pytest.raises(ValueError, match=r"setting 'mnist' is unknown.* Known: '"):
        kind.published("mnist")


def test_settings_that_nobody_published() -> None:
    with pytest.raises(ValueError, match="distillation has no published settings"):
        Distillation.published("cifar10")


@pytest.mark.parametrize(
    ("objective", "name", "strength"),
    [
        (TaskLoss(), "task_loss", None),
        (LabelSmoothing(), "label_smoothing", 0.1),
        (ConfidencePenalty(), "confidence_penalty", 0.1),
        (RelaxLoss(alpha=0.5), "relaxloss", 0.5),
        (HAMP(gamma=0.8, alpha=0.01), "hamp", 0.8),
        (CCL(), "ccl", 0.5),
        (Distillation(), "distillation", 1.0),
        (Mixup(alpha=1), "mixup", 1.0),
        (MixupMMD(weight=3), "mixup_mmd", 3.0),
        (AdversarialRegularisation(weight=6), "adversarial_regularisation", 6.0),
        (CRL(alpha=2), "crl", 2.0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_names_and_strengths(objective: Objective, name: str, strength: float | None) -> None:
    assert (objective.name, objective.strength) == (name, strength)


def test_every_objective_is_in_the_table() -> None:
    public = {getattr(objectives, name) for name in objectives.__all__ if name != "PLAIN"}
    kinds = {kind for kind in public if issubclass(kind, Objective)} - {Objective}
    assert {type(case.objective) for case in CASES.values()} == kinds


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RelaxLoss(alpha=-1.0), "alpha must be a finite number of at least 0, got -1"),
        (lambda: RelaxLoss(alpha=1.0, upper=2.0), "upper must lie between 0 and 1, got 2"),
        (lambda: RelaxLoss(alpha=1.0, variant="author"), "did you mean 'authors'"),
        (lambda: LabelSmoothing(smoothing=1.5), "smoothing must lie between 0 and 1"),
        (lambda: ConfidencePenalty(weight=-1), "weight must be a finite number of at least 0"),
        (lambda: HAMP(gamma=1.1, alpha=0), "gamma must lie between 0 and 1, got 1.1"),
        (lambda: HAMP(gamma=1, alpha=-1), "alpha must be a finite number of at least 0"),
        (lambda: CCL(alpha=2), "alpha must lie between 0 and 1, got 2"),
        (lambda: CCL(beta=0), "beta must be a finite number above 0, got 0"),
        (lambda: CCL(form="cubic"), "form 'cubic' is unknown"),
        (lambda: Distillation(temperature=0), "temperature must be a finite number above 0"),
        (lambda: Mixup(alpha=0), "alpha must be a finite number above 0, got 0"),
        (lambda: MixupMMD(weight=1, mixup_alpha=0), "mixup_alpha must be a finite number above 0"),
        (lambda: AdversarialRegularisation(weight=1, steps=0), "steps must be an integer"),
        (
            lambda: AdversarialRegularisation(weight=1, hidden=(8, 0)),
            r"hidden\[1\] must be an integer",
        ),
        (lambda: CRL(alpha=1, centre_upper=2), "centre_upper must lie between 0 and 1"),
        (lambda: CRL(alpha=1, t=-1), "t must be a finite number of at least 0"),
    ],
)
def test_bad_strengths(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("objective", "part"),
    [
        (Distillation(), "teacher"),
        (Mixup(alpha=1.0), "teacher"),
        (MixupMMD(weight=1.0), "teacher"),
        (MixupMMD(weight=1.0), "reference"),
        (AdversarialRegularisation(weight=1.0), "state"),
        (CRL(alpha=1.0), "state"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_missing_part_is_named(objective: Objective, part: str) -> None:
    context = context_for(objective, 0)._replace(**{part: () if part == "state" else None})
    with pytest.raises(ValueError, match=f"{objective.name} needs context.{part}: "):
        objective(*examples(0), context)
