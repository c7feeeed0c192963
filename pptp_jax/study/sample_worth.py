"""What the samples of a study's generative models are worth."""

from typing import Any

import numpy as np

from pptp_jax.data import Dataset, Membership
from pptp_jax.evaluation.sample_quality import SampleJudge, SampleQuality
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics import UNRESOLVED, Estimate, masked_mean
from pptp_jax.models import mlp
from pptp_jax.signals import sample_labels
from pptp_jax.study.config import Study

# What judges samples: a perceptron with one hidden layer, which takes inputs of any shape.
_HIDDEN = 64
_NAMES = SampleQuality._fields


def sample_worth(
    study: Study, data: Dataset, membership: Membership, fleet: FleetSignals
) -> dict[str, Estimate]:
    """The fields of `SampleQuality`, each a mean over the targets of one recipe.

    A perceptron with one hidden layer of 64 judges. Its features, by which precision and recall are
    measured, are learned from the study's reference examples; without any these two are unresolved.

    Args:
        study: the study.
        data: its examples.
        membership: who is a member of what.
        fleet: the signals of the recipe's finished models.

    Returns:
        The estimates by name; none where models make up no samples or all targets diverged.
    """
    targets = [model for model in membership.targets if fleet.finite[model]]
    if "samples" not in fleet or data.num_classes is None or not targets:
        return {}
    reference = study.division(len(data)).reference
    classifier = mlp([_HIDDEN], num_classes=data.num_classes)
    judge = SampleJudge.of(data, reference, classifier, seed=study.seed)
    left_out = np.setdiff1d(np.arange(len(data)), membership.evaluated)
    made = np.stack([np.asarray(fleet["samples"][model]) for model in targets])
    labels = np.asarray(sample_labels(made.shape[1], data.num_classes))
    found = judge.fleet(made, labels, membership.matrix[targets], left_out)
    return {name: _mean(study, [getattr(one, name) for one in found]) for name in _NAMES}


def _mean(study: Study, values: list[float]) -> Estimate:
    numbers: Any = np.array(values)[:, None]
    if not np.isfinite(numbers).all():
        return UNRESOLVED
    every = np.ones(numbers.shape, bool)
    return masked_mean(numbers, every, resamples=study.resamples, seed=study.seed)
