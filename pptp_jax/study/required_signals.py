"""The signals that a study keeps of its fleets: those of the task, and what its attacks read."""

from typing import TYPE_CHECKING, Any

from pptp_jax.data import Dataset, Membership
from pptp_jax.signals import (
    ANSWER_METRICS,
    BASE_LOG_PROB,
    FEATURE_MARGINS,
    GRADIENT_NORMS,
    INPUT_GRADIENT_NORM,
    METRIC_TRAJECTORY,
    boundary_signal,
    latent_signal,
    noise_signal,
    sample_distances_signal,
    samples_signal,
)
from pptp_jax.study.robustness_accuracy import geometry_signal, robust_signal
from pptp_jax.study.text_probes import text_probes
from pptp_jax.tasks import Adversarial, Signal
from pptp_jax.training import distilled_signal, surrogate_signal, transferred_signal

if TYPE_CHECKING:
    from pptp_jax.study.config import Study


def required_signals(study: "Study", data: Dataset, membership: Membership) -> tuple[Signal, ...]:
    """The signals of each model that are stored at the end of a recipe.

    Args:
        study: the study.
        data: its examples; symbols cannot be moved a little, so no probe that moves them is taken.
        membership: who is a member of what.
    """
    attacks = study.chosen_attacks
    read = {part for attack in attacks for part in attack.reads if isinstance(part, str)}
    own = study.probes
    task = study.model.task
    movable = data.vocabulary is None
    probes = [BASE_LOG_PROB, *([INPUT_GRADIENT_NORM] if movable else text_probes(study, data))]
    if task.classes and movable:
        probes += [
            noise_signal(flips=own.noise_flips, stddev=own.noise_stddev, draws=own.noise_draws),
            boundary_signal(queries=own.boundary_queries, iterations=own.boundary_iterations),
        ]
    if task.classes and study.reference:
        trained: dict[str, Any] = {"optimizer": study.optimizer, "batch_size": study.batch_size}
        probes.append(distilled_signal(epochs=own.student_epochs, **trained))
        if movable:
            many, long = own.surrogates, own.surrogate_epochs
            probes.append(transferred_signal(models=many, epochs=long, **trained))
    if study.model.sample is not None and data.num_classes is not None:
        probes.append(sample_distances_signal(num_classes=data.num_classes))
        probes.append(surrogate_signal(data.num_classes))
    if isinstance(task, Adversarial):
        probes.append(latent_signal())
    found = [*task.signals, *(probe for probe in probes if probe.name in read)]
    if METRIC_TRAJECTORY.name in read and task.classes:
        found.append(ANSWER_METRICS)
    if study.white_box or GRADIENT_NORMS.name in read:
        found.append(GRADIENT_NORMS)
    if study.white_box and study.model.features is not None and task.classes:
        found.append(FEATURE_MARGINS)
    if study.model.sample is not None and data.num_classes is not None:
        found.append(samples_signal(num_classes=data.num_classes))  # for the report
    found += [signal for attack in attacks for signal in attack.declared]
    if study.robustness is not None:
        found.append(robust_signal(study, membership))
        if study.robustness.eigenvalues:
            found.append(geometry_signal(study, membership))
    return tuple(found)
