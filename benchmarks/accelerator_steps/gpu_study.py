"""`experiments/cifar10_gpu.py` as far as the time allows: each recipe's accuracy and attacks.

It is run by the library, as `pptp run` does. What it has trained when its time ends lies in
`--out DIR`, from where this step and `pptp run --out DIR` go on.
"""

import time

import numpy as np

from accelerator_steps.image_study import images
from accelerator_steps.process import ROOT
from accelerator_steps.recorder import Recorder, Setting
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.fleets import Runtime, StoredFleet
from pptp_jax.metrics import attack_metrics
from pptp_jax.study import Study, load_study, narrowed, overridden, run
from pptp_jax.training import Progress, Recipe, Strategy

STUDY = ROOT / "experiments" / "cifar10_gpu.py"
FPRS = (0.001, 0.01)
# Of what is compiled for the eight recipes, two thirds.
REHEARSED = {"annealed_16+3": "2+1", "annealed_decay_16+3_stage3_weight_decay_0.005": "1+1"}
IN_MINIATURE = (
    *("models=6", "examples=64", "batch_size=16", "model.width=1", "augmentation.shift=1"),
    *("resamples=20", *(f"recipes.{slug}.epochs={few}" for slug, few in REHEARSED.items())),
)


def chosen(setting: Setting) -> Study:
    """The study on the images that were given; in miniature on made-up ones to rehearse."""
    data = images(setting)
    if not setting.rehearse:
        return narrowed(load_study(STUDY), setting.data, ())
    setting.out.mkdir(parents=True, exist_ok=True)
    file = setting.out / "images.npz"
    np.savez(file, x=data.x, y=data.y)
    return overridden(narrowed(load_study(STUDY), file, tuple(REHEARSED)), IN_MINIATURE)


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
        found = attacked(seen, self._membership, self._study.chosen_attacks)
        for who, rows in (("members", found.membership), ("non-members", ~found.membership)):
            pairs = zip(found.utility, rows, strict=True)
            self._show(f"{title}: accuracy on {who}", [own[kept].mean() for own, kept in pairs], "")
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


def measure(show: Recorder, setting: Setting) -> None:
    """Runs the study; says so where the time ends first."""
    study = chosen(setting)
    watch = Watch(show, study)
    runtime = Runtime(
        strategy=Strategy(order="scan"),
        on_progress=watch.progress,
        on_fleet=watch.fleet,
        stop=lambda: show.left < 0,
        log=show.note,
    )
    try:
        run(study, setting.out, runtime=runtime)
    except KeyboardInterrupt:
        show.note(f"{watch.finished} of {len(study.recipes)} recipes were finished in time")
