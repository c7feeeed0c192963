r"""CIFAR-10 and a ResNet-8: weights by the risk map, and teachers inside a region.

Command: `pptp run experiments/cifar10_resnet8_regions.py --data DIR`, with the directory in which
TFDS has prepared `cifar10` as array_record. Averaged to 16×16 pixels, 16 models of 1,000 members,
none of which the studies with other seeds chose.

Decay and learning rates are by the block's risk, from the map of `cifar10_resnet8.py` (seed 0). A
region learns what a teacher says, the rest the labels: the teacher is the network of an early stop,
or SELENA's sub-models, which never saw the example. The student has the best decay under a cosine,
and so has one more rival, which learns from labels.

More strengths of three rivals need a network or images of their own; `pptp compare` joins the
rivals of two runs:

    --set model.dropout=0.1      --set model.dropout=0.5      --set augmentation.cutout=2
    --set augmentation.cutout=8  --set model.tied_dropout=0.5,0.1

Result (docs/findings.md): decay by risk lies on the rivals' hull; rates by risk, and teachers in
the last stage, lie 1.7 to 3.1 points below it.
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.data import Balanced
from pptp_jax.objectives import Distillation, Mixup, TaskLoss
from pptp_jax.regions import GENERAL, PROTECT
from pptp_jax.study import load_study
from pptp_jax.training import (
    Ensemble,
    FromScratch,
    Phase,
    Recipe,
    annealed,
    decay,
    weighted_decay,
    weighted_rates,
    whole_network,
)

EPOCHS, TAUGHT, STRENGTH, LAST = 30, 36, 0.005, "stage3"
best = decay(EPOCHS, STRENGTH)

# By how much LiRA's AUC falls when a block goes back to epoch two (docs/findings.md).
FALLS = {"stem": 0.113, "stage1": 0.142, "stage2": 0.145, "stage3": 0.166, "head": 0.085}
MOST, LEAST = max(FALLS.values()), min(FALLS.values())
by_risk = {block: round(fall / MOST, 2) for block, fall in FALLS.items()}
sparing = {block: round(LEAST / fall, 2) for block, fall in FALLS.items()}

SELENA = Phase(epochs=EPOCHS, objectives=TaskLoss(), ensemble=Ensemble(models=5, left_out=2))
EARLY = Phase(epochs=7, objectives=TaskLoss())


def taught(name: str, teacher: Phase, region: str | None) -> Recipe:
    """A student that learns the teacher's answers, in a region or everywhere, under a cosine."""
    parts = Distillation() if region is None else {PROTECT: Distillation(), GENERAL: TaskLoss()}
    student = Phase(epochs=TAUGHT, objectives=parts, start=(FromScratch(),), weight_decay=STRENGTH)
    return Recipe(name=name, phases=(teacher, student), region=region, defence="distillation")


def mixed(alpha: float) -> Recipe:
    """The best decay on mixed examples."""
    recipe = whole_network(Mixup(alpha=alpha), EPOCHS)
    phases = tuple(replace(phase, weight_decay=STRENGTH) for phase in recipe.phases)
    return annealed(replace(recipe, name=f"mixup {alpha}", phases=phases), anneal=6)


study = replace(
    load_study(Path(__file__).with_name("cifar10_resnet8.py")),
    name="cifar10_resnet8_regions",
    split=Balanced(models=16),
    seed=3,
    examples=2000,
    trajectory=(),
    recipes=(
        annealed(EPOCHS),
        *(annealed(stop) for stop in (14, 7)),
        annealed(best, anneal=10),
        *(annealed(best, anneal=length) for length in (6, 3, 2, 1)),
        decay(TAUGHT, STRENGTH),
        *(annealed(weighted_decay(EPOCHS, STRENGTH, by_risk), anneal=k) for k in (6, 3, 1)),
        *(annealed(weighted_rates(EPOCHS, sparing), anneal=k) for k in (6, 3)),
        *(taught("selena", SELENA, region) for region in (None, LAST)),
        *(taught("early teacher", EARLY, region) for region in (None, LAST)),
        mixed(1.0),
    ),
)
