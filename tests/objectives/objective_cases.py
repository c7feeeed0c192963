"""Every objective with something to look at, and the formula that it must give."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import naive_objectives as naive
import numpy as np

from pptp_jax.objectives import (
    CCL,
    CRL,
    HAMP,
    AdversarialRegularisation,
    ConfidencePenalty,
    Context,
    Distillation,
    LabelSmoothing,
    Mixup,
    MixupMMD,
    Objective,
    Reference,
    RelaxLoss,
    TaskLoss,
)

BATCH, CLASSES = 6, 4


class Case(NamedTuple):
    """`known(z, y, context, epoch)` is the formula in float64."""

    objective: Objective
    known: Callable[[np.ndarray, np.ndarray, Context, int], float]


def relaxloss(alpha: float, upper: float, variant: str) -> Case:
    formula = naive.relaxloss if variant == "official" else naive.relaxloss_of_the_authors
    return Case(
        RelaxLoss(alpha=alpha, upper=upper, variant=variant),
        lambda z, y, _, epoch: formula(z, y, alpha=alpha, upper=upper, epoch=epoch),
    )


def crl(**numbers: float) -> Case:
    return Case(
        CRL(**numbers),
        lambda z, y, context, epoch: naive.crl(z, y, context.state.centres, epoch=epoch, **numbers),
    )


CRL_NUMBERS = {"upper": 0.6, "t": 0.5, "centre_upper": 0.7, "centre_t": 0.8, "weight": 0.4}

CASES = {
    "task_loss": Case(TaskLoss(), lambda z, y, *_: naive.label_smoothing(z, y, smoothing=0.0)),
    "label_smoothing": Case(
        LabelSmoothing(smoothing=0.2), lambda z, y, *_: naive.label_smoothing(z, y, smoothing=0.2)
    ),
    "confidence_penalty": Case(
        ConfidencePenalty(weight=0.7),
        lambda z, y, *_: naive.confidence_penalty(z, y, weight=0.7),
    ),
    "relaxloss": relaxloss(0.5, 1.0, "official"),
    "relaxloss below its target": relaxloss(9.0, 0.3, "official"),
    "relaxloss of the authors": relaxloss(0.5, 1.0, "authors"),
    "relaxloss of the authors below its target": relaxloss(9.0, 0.3, "authors"),
    "hamp": Case(
        HAMP(gamma=0.6, alpha=0.2), lambda z, y, *_: naive.hamp(z, y, gamma=0.6, alpha=0.2)
    ),
    "exponential ccl": Case(
        CCL(alpha=0.3, beta=0.5),
        lambda z, y, *_: naive.ccl(z, y, alpha=0.3, beta=0.5, form="exponential"),
    ),
    "quadratic ccl": Case(
        CCL(alpha=0.3, beta=0.5, form="quadratic"),
        lambda z, y, *_: naive.ccl(z, y, alpha=0.3, beta=0.5, form="quadratic"),
    ),
    "distillation": Case(
        Distillation(),
        lambda z, y, context, _: naive.distillation(z, context.teacher, temperature=1.0),
    ),
    "warm distillation": Case(
        Distillation(temperature=3.0),
        lambda z, y, context, _: naive.distillation(z, context.teacher, temperature=3.0),
    ),
    "mixup": Case(Mixup(alpha=0.4), lambda z, y, context, _: naive.mixup(z, context.teacher)),
    "mixup_mmd": Case(
        MixupMMD(weight=2.0, bandwidth=0.5),
        lambda z, y, context, _: naive.mixup_mmd(
            z, context.teacher, context.reference.outputs, weight=2.0, bandwidth=0.5
        ),
    ),
    "adversarial_regularisation": Case(
        AdversarialRegularisation(weight=2.0, hidden=(5, 3), learning_rate=0.01),
        lambda z, y, context, _: naive.adversarial_regularisation(
            z, y, context.state.layers, weight=2.0
        ),
    ),
    "crl": crl(alpha=0.5, centre_alpha=0.1, **CRL_NUMBERS),
    "crl below its targets": crl(alpha=9.0, centre_alpha=9.0, **CRL_NUMBERS),
}


def examples(seed: int, rows: int = BATCH) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(seed)
    logits = jnp.asarray(rng.normal(size=(rows, CLASSES)) * 2, jnp.float32)
    return logits, jnp.asarray(rng.integers(0, CLASSES, rows))


start = jax.jit(lambda objective, key: objective.init(key, jnp.zeros((1, CLASSES))))


def context_for(objective: Objective, seed: int, epoch: int = 0) -> Context:
    """One in which there is all that an objective may look at."""
    return Context(
        epoch=jnp.int32(epoch),
        teacher=jax.nn.softmax(examples(seed + 101)[0]),
        reference=Reference(*examples(seed + 102, rows=5)),
        state=start(objective, jax.random.key(seed)),
    )


def in_float64(tree: Any) -> Any:
    def convert(leaf: Any) -> np.ndarray:
        array = np.asarray(leaf)
        return array.astype(np.float64) if array.dtype == np.float32 else array

    return jax.tree.map(convert, tree)
