r"""CIFAR-10 at 16×16 and a small vision transformer: which sublayers hold what leaks?

Command: `pptp run experiments/cifar10_vit.py --data DIR --strategy scan`, with the directory in
which TFDS has prepared `cifar10` as array_record. 16 models of 1,000 members.

Early stopping with an anneal of its own, all stops as branches of one trunk, against freezing and
weight decay of sublayers: the dense layers (`mlp`) or the attention of all blocks, the first half
of the network, or the last blocks. The freezing is at the anneal or from a third of the way on. If
memorisation were in the MLP sublayers, freezing or decay of them alone would keep more accuracy
than early stopping at equal attack strength.

It has not been run: neither cost, nor accuracy, nor learning rate has been measured.
"""

from pptp_jax.data import Augmentation, Balanced, Shrunk, Tfds
from pptp_jax.models import vit
from pptp_jax.signals import FLIP, IDENTITY
from pptp_jax.study import Study
from pptp_jax.training import SGD, annealed, decay, freeze

EPOCHS, ANNEAL = 16, 2
# The last: two encoder blocks and the head.
REGIONS = ("mlp", "attention", "blocks[0:3]", "blocks[3:]")

study = Study(
    name="cifar10_vit",
    data=Shrunk(Tfds("cifar10")),
    model=vit(num_classes=10, patch=4, width=32, depths=(1, 1, 1, 1), heads=4, mlp=64),
    split=Balanced(models=16),
    examples=2000,
    optimizer=SGD(learning_rate=0.1, momentum=0.9, weight_decay=5e-4, max_norm=1.0),
    batch_size=32,
    augmentation=Augmentation(flip=True, shift=1),
    queries=(IDENTITY, FLIP),
    compared="rmia_online",
    recipes=(
        # Undefended; the longest trunk first, so that others branch off it.
        *(annealed(stop, ANNEAL) for stop in (EPOCHS, 11, 8, 5)),
        *(annealed(stop, ANNEAL, region) for region in REGIONS for stop in (EPOCHS, 8)),
        *(
            annealed(freeze(region, after=5, more=more), ANNEAL)
            for region in REGIONS
            for more in (EPOCHS - 5, 5)
        ),
        *(annealed(decay(EPOCHS, strength), ANNEAL) for strength in (0.002, 0.005, 0.01)),
        *(
            annealed(decay(EPOCHS, strength, region), ANNEAL)
            for region in ("mlp", "attention")
            for strength in (0.005, 0.02)
        ),
    ),
)
