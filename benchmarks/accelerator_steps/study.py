"""A study of the library as far as the time allows: each recipe's utility and attacks.

It is run as `pptp run` runs it. What it has trained when its time ends lies in its directory, from
where this step and `pptp run --out DIR` go on.
"""

import time
from pathlib import Path

import numpy as np

from accelerator_steps.recorder import Recorder
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.fleets import Runtime, StoredFleet
from pptp_jax.metrics import attack_metrics
from pptp_jax.study import Study, run
from pptp_jax.training import Progress, Recipe, Strategy

FPRS = (0.001, 0.01)


class Watch:
    """Shows what is known of each recipe as soon as its models are trained."""

    def __init__(self, show: Recorder, study: Study) -> None:
        self.finished = 0
        self._show, self._study = show, study
        assert study.examples is not None  # the study says how many
        self._membership = study.membership(study.examples)
        self._begun, self._stamps = time.monotonic(), list[float]()

    def progress(self, recipe: Recipe, now: Progress) -> None:
        """Notes when an epoch has ended."""
        self._stamps.append(time.monotonic())

    def fleet(self, recipe: Recipe, fleet: StoredFleet) -> None:
        """Attacks the models of a recipe."""
        task = self._study.model.task
        title, seen = f"{self._study.name}, {recipe.slug}", fleet.end
        self.finished += 1
        self._show(f"{title}: finished after", time.monotonic() - self._begun, "s")
        if len(self._stamps) > 1:  # the steps between epochs; one of them may compile
            epochs = sum(int(phase.epochs) for phase in recipe.phases)
            seconds = epochs * float(np.median(np.diff(self._stamps)))
            speed = 3600 * len(seen.finite) / seconds
            self._show(f"{title}: trainings of {epochs} epochs", speed, "models/h")
        self._stamps.clear()
        if not seen.finite.all():
            self._show.note(f"{title}: {int((~seen.finite).sum())} models diverged")
        if not seen.finite.any():
            return
        attacks, declared = self._study.chosen_attacks, task.signals
        found = attacked(seen, self._membership, attacks, declared=declared)
        for who, rows in (("members", found.membership), ("non-members", ~found.membership)):
            pairs = zip(found.utility, rows, strict=True)
            means = [own[kept].mean() for own, kept in pairs]
            self._show(f"{title}: {task.utility_name} on {who}", means, "")
        for name, scores in found.scores.items():
            metrics = attack_metrics(
                scores, found.membership, fprs=FPRS, fnrs=[], priors=[], resamples=50
            )
            for statistic in ("auc", *(f"tpr@{fpr:g}" for fpr in FPRS)):
                value = metrics[statistic].value
                if value is None:
                    self._show.note(f"{title}: too few pairs for the {statistic} of {name}")
                else:
                    self._show(f"{title}: {name}, {statistic}", value, "")


def as_far_as_it_gets(show: Recorder, study: Study, out: Path) -> None:
    """Runs a study; says so where the time ends first.

    Args:
        show: takes the rows, and knows how much time is left.
        study: the study.
        out: its directory.
    """
    watch = Watch(show, study)
    runtime = Runtime(
        strategy=Strategy(order="scan"),
        on_progress=watch.progress,
        on_fleet=watch.fleet,
        stop=lambda: show.left < 0,
        log=show.note,
    )
    try:
        run(study, out, runtime=runtime)
    except KeyboardInterrupt:
        show.note(f"{watch.finished} of {len(study.recipes)} recipes were finished in time")
