"""CIFAR-10 and a ResNet-8: does weight decay only fool the attacks by which studies compare?

Command: `pptp run experiments/cifar10_resnet8_attacks.py --data DIR`, with the directory in which
TFDS has prepared `cifar10` as array_record. Averaged to 16×16 pixels; 32 models of 1,000 members;
all attacks but two that see labels alone and ask often, gradients and features of each block
included. 500 examples are set aside as known non-members.

Weight decay of .005 on the entire network, with the last stage frozen in the anneal and without,
against early stopping, which has its own anneal.

Result (docs/findings.md): all 24 attacks that apply, and gradients of each block, see less under
strong decay than under early stopping, which is less accurate.
"""

from pptp_jax.attacks import ATTACKS
from pptp_jax.data import Augmentation, Balanced, Shrunk, Tfds
from pptp_jax.models import resnet8
from pptp_jax.signals import FLIP, IDENTITY
from pptp_jax.study import Study
from pptp_jax.training import SGD, annealed, decay

best = decay(30, 0.005)

study = Study(
    name="cifar10_resnet8_attacks",
    data=Shrunk(Tfds("cifar10")),
    model=resnet8(num_classes=10),
    split=Balanced(models=32),
    examples=2500,
    reference=500,
    optimizer=SGD(learning_rate=0.1, momentum=0.9, weight_decay=5e-4),
    batch_size=64,
    augmentation=Augmentation(flip=True, shift=1),
    queries=(IDENTITY, FLIP),
    attacks=tuple(name for name in ATTACKS if name not in ("boundary_distance", "noise")),
    white_box=True,
    compared="rmia_online",
    recipes=(annealed(14), annealed(best), annealed(best, region="stage3")),
)
