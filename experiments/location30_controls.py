"""Location-30: the controls and defences that need reference examples, teachers or equal regions.

Command: `pptp run experiments/location30_controls.py --data location30.npz`; about half an hour on
one CPU core.

Result (docs/findings.md): the gain of `freeze` depends on which region stays free, not on its size;
noise takes half of it; learning from reference examples first and then freezing the body, and
SELENA, keep more accuracy than `freeze`.
"""

from pptp_jax.data import Balanced, Npz
from pptp_jax.models import mlp
from pptp_jax.objectives import (
    AdversarialRegularisation,
    Distillation,
    MixupMMD,
    TaskLoss,
)
from pptp_jax.regions import GENERAL, PROTECT, Region
from pptp_jax.study import Study
from pptp_jax.training import (
    SGD,
    Ensemble,
    FromScratch,
    Perturbation,
    Perturbed,
    Phase,
    Recipe,
    dmp,
    early_stopped,
    freeze,
    pretrained,
    selena,
    undefended,
    whole_network,
)

EPOCHS = 15
BODY = ("stem", "stage1", "stage2")  # all but the last layer
ADVERSARY = AdversarialRegularisation(weight=10.0)
MIXED = MixupMMD(weight=3.0)


def taught(name: str, teacher: Phase, region: Region) -> Recipe:
    """The region learns a teacher's answers, the rest the labels, in one run."""
    split = {PROTECT: Distillation(), GENERAL: TaskLoss()}
    student = Phase(epochs=10, objectives=split, start=(FromScratch(),))
    return Recipe(name=name, phases=(teacher, student), region=region, defence="distillation")


def noisy(stddev: float) -> Recipe:
    """`freeze`, and noise on the gradient of what goes on learning."""
    perturbed = {GENERAL: Perturbation(max_norm=1.0, stddev=stddev)}
    phases = (
        Phase(epochs=2, objectives=TaskLoss()),
        Phase(epochs=8, objectives=TaskLoss(), frozen=(PROTECT,), gradient=Perturbed(perturbed)),
    )
    return Recipe(name="freeze and noise", phases=phases, region=BODY, strength=stddev)


study = Study(
    name="location30_controls",
    data=Npz(),
    model=mlp([512, 256, 128], num_classes=30),
    split=Balanced(models=16),
    optimizer=SGD(),
    reference=1010,
    trajectory=(1, 2, 3, 5, 8, 11, 12, 14),
    recipes=(
        undefended(EPOCHS),
        *(early_stopped(epochs) for epochs in (1, 2, 3, 4, 5, 7)),
        *(freeze(BODY, after=after, more=8) for after in (1, 2, 3)),
        # A region, its complement, and the other blocks that come nearest to it in size
        # (`equal_blocks` of the stem and of the body).
        *(
            freeze(region, after=2, more=8)
            for region in ("stem", "not stem", ("stem", "head"), ("stem", "stage1", "head"))
        ),
        *(noisy(stddev) for stddev in (0.01, 0.05)),
        *(pretrained(None, 10, more) for more in (1, 3)),
        *(pretrained(region, 10, 8) for region in ("stem", "shallow", BODY)),
        *(dmp(epochs, EPOCHS) for epochs in (3, EPOCHS)),
        whole_network(ADVERSARY, EPOCHS),
        freeze(BODY, after=2, more=8, defence=ADVERSARY),
        whole_network(MIXED, EPOCHS),
        freeze(BODY, after=2, more=8, defence=MIXED),
        selena(5, 10),
        *(
            taught(
                "selena in region",
                Phase(epochs=5, objectives=TaskLoss(), ensemble=Ensemble()),
                region,
            )
            for region in ("stem", BODY)
        ),
        *(
            taught("teacher in region", Phase(epochs=3, objectives=TaskLoss()), region)
            for region in ("stem", BODY)
        ),
    ),
)
