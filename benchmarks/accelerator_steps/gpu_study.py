"""`experiments/cifar10_gpu.py` as far as the time allows: each recipe's accuracy and attacks."""

import numpy as np

from accelerator_steps.image_study import images
from accelerator_steps.process import ROOT
from accelerator_steps.recorder import Recorder, Setting
from accelerator_steps.study import as_far_as_it_gets
from pptp_jax.study import Study, load_study, narrowed, overridden

STUDY = ROOT / "experiments" / "cifar10_gpu.py"
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


def measure(show: Recorder, setting: Setting) -> None:
    """Runs the study; says so where the time ends first."""
    as_far_as_it_gets(show, chosen(setting), setting.out)
