"""CIFAR-10: does freezing work better in a network that was pretrained on other images?

Command: `pptp run experiments/pretrained.py --data DIR`, with the directory in which TFDS has
prepared `cifar10` as array_record; about 40 minutes on one CPU core.

Result (docs/findings.md): a network that has seen no member is as accurate as one whose last layer
learns from them; going on with all of it, gently, brings a point and leaks.
"""

from pptp_jax.data import Balanced, Tfds
from pptp_jax.models import cnn
from pptp_jax.objectives import TaskLoss
from pptp_jax.regions import GENERAL, PROTECT
from pptp_jax.study import Study
from pptp_jax.training import (
    SGD,
    Perturbation,
    Perturbed,
    Phase,
    Recipe,
    early_stopped,
    freeze,
    pretrained,
)

BEFORE = 8
BODY = ("stem", "stage1", "stage2", "stage3")  # all but the last layer


def gently(more: int, scale: float) -> Recipe:
    """The control: all of the pretrained network goes on, in steps a fraction as long."""
    shorter = {label: Perturbation(scale=scale) for label in (PROTECT, GENERAL)}
    phases = (
        Phase(epochs=BEFORE, objectives=TaskLoss(), examples="reference"),
        Phase(epochs=more, objectives=TaskLoss(), gradient=Perturbed(shorter)),
    )
    return Recipe(name="pretrained gently", phases=phases, region=BODY, strength=scale)


study = Study(
    name="pretrained",
    data=Tfds("cifar10"),
    model=cnn([8, 16, 32], dense=64, num_classes=10),
    split=Balanced(models=16),
    examples=4800,
    reference=3200,
    optimizer=SGD(learning_rate=0.05),
    batch_size=50,
    compared="rmia_online",  # LiRA fits Gaussians, for which so few shadows are too few
    trajectory=(8, 9, 10, 12, 14, 17),
    recipes=(
        *(early_stopped(epochs) for epochs in (4, 7, 12)),
        freeze(BODY, after=4, more=6),
        *(pretrained(None, BEFORE, more) for more in (1, 2, 4, 8)),
        gently(8, 0.2),
        *(pretrained(BODY, BEFORE, more) for more in (4, 15)),
    ),
)
