"""CIFAR-10: a defence inside PPTP against the defence at its published setting, end points alone.

Command: `pptp run experiments/published_settings.py --data DIR`, with the directory in which TFDS
has prepared `cifar10` as array_record. Averaged to 16×16 pixels; a ResNet-8; 8 models of 1,000
members, no augmentation, weight decay 5e-4, one early stop.

This is the comparison that the authors of PPTP would print, judging by the harness of their other
papers: every defence at one setting, early stopping as one point, all at the last epoch. It does
not ask whether the attack is equally strong; `cifar10_resnet8.py` does. RelaxLoss, HAMP and CCL
have the settings that their authors published for CIFAR-10.

Result (docs/findings.md): inside `freeze` each defence keeps more accuracy, and HAMP and CCL leak
more; the one early stop is as good as all of them.
"""

from pptp_jax.data import Balanced, Shrunk, Tfds
from pptp_jax.models import resnet8
from pptp_jax.objectives import CCL, HAMP, RelaxLoss
from pptp_jax.study import Study
from pptp_jax.training import SGD, early_stopped, freeze, split, undefended, whole_network

EPOCHS, STOP = 20, 7
LAST, SHALLOW = "stage3", ("stem", "stage1", "stage2")
DEFENCES = (
    RelaxLoss.published("cifar10/resnet20"),
    HAMP.published("cifar10"),
    CCL.published("cifar10/resnet18"),
)

study = Study(
    name="published_settings",
    data=Shrunk(Tfds("cifar10")),
    model=resnet8(num_classes=10),
    split=Balanced(models=8),
    examples=2000,
    optimizer=SGD(learning_rate=0.1, momentum=0.9, weight_decay=5e-4),
    batch_size=64,
    compared="rmia_online",
    recipes=(
        undefended(EPOCHS),
        early_stopped(STOP),
        freeze(LAST, after=STOP, more=EPOCHS - STOP),
        *(whole_network(defence, EPOCHS) for defence in DEFENCES),
        *(freeze(LAST, after=STOP, more=EPOCHS - STOP, defence=own) for own in DEFENCES),
        *(split(SHALLOW, defence, EPOCHS) for defence in DEFENCES),
    ),
)
