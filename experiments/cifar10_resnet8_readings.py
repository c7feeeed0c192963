"""CIFAR-10 and a ResNet-8: other ways to protect a region, and other rivals.

Command: `pptp run experiments/cifar10_resnet8_readings.py --data DIR`, with the directory in which
TFDS has prepared `cifar10` as array_record. 16 models of 2,000 members, other ones than those of
`cifar10_resnet8.py`.

The last stage goes back to an early epoch, and the rest anneals on it, or it learns again itself;
its most vulnerable channels are frozen in the anneal, or go back to their initial values; it alone
decays strongly. Mixup joins the rivals. Three more need a network or images of their own, and so a
run of their own; `pptp compare` joins the rivals of two runs:

    --set model.dropout=0.3 --out runs/dropout
    --set augmentation.cutout=4 --out runs/cutout
    --set model.tied_dropout=0.75,0.1 --out runs/tied

Result (docs/findings.md): none lies above the hull of the rivals by its interval; the nearest, a
fifth of the channels back at their initial values, by 0.6 points [-0.4, 1.3].
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.data import Balanced
from pptp_jax.objectives import Mixup
from pptp_jax.study import load_study
from pptp_jax.training import Recipe, RewindWeights, annealed, decay, restored

LAST = "stage3"
best = decay(30, 0.005)


def channels(share: float, rewinding: bool) -> RewindWeights:
    """The most vulnerable channels of a region."""
    return RewindWeights(share=share, by="channel", reference_weight=0.0, rewinding=rewinding)


def mixed(recipe: Recipe) -> Recipe:
    """The recipe, on mixed examples."""
    phases = tuple(replace(phase, objectives=Mixup(alpha=0.4)) for phase in recipe.phases)
    return replace(recipe, name=f"mixup {recipe.name}", phases=phases)


study = replace(
    load_study(Path(__file__).with_name("cifar10_resnet8.py")),
    name="cifar10_resnet8_readings",
    split=Balanced(models=16),
    seed=2,
    recipes=(
        annealed(30),
        *(annealed(stop) for stop in (14, 7)),
        *(restored(30, to=epoch, more=3, region=LAST) for epoch in (7, 14)),
        restored(30, to=14, more=3, region=LAST, learns="region"),
        annealed(30, region=LAST, weights=channels(0.5, rewinding=False)),
        annealed(30, region=LAST, weights=channels(0.2, rewinding=True)),
        annealed(best, anneal=10),
        *(annealed(best, anneal=length) for length in (6, 3, 2, 1)),
        *(restored(best, to=epoch, more=6, region=LAST) for epoch in (7, 14)),
        restored(best, to=14, more=3, region=LAST, learns="region"),
        annealed(best, anneal=6, region=LAST, weights=channels(0.5, rewinding=False)),
        annealed(best, anneal=6, region=LAST, weights=channels(0.2, rewinding=True)),
        *(annealed(mixed(best), anneal=length) for length in (10, 3)),
        annealed(decay(30, 0.01, LAST)),
    ),
)
