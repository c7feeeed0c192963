"""CIFAR-10: 1,600 images and a small convolutional network with batch norm.

Command: `pptp run experiments/cifar10.py --data DIR`, with the directory in which TFDS has prepared
`cifar10` as array_record; about half an hour on one CPU core.

Result (docs/findings.md): freezing ties with early stopping or loses a little; no defence inside
PPTP can be distinguished from the same defence in all network.
"""

from pptp_jax.data import Balanced, Tfds
from pptp_jax.models import cnn
from pptp_jax.objectives import CCL, HAMP, RelaxLoss
from pptp_jax.study import Study
from pptp_jax.training import (
    SGD,
    early_stopped,
    freeze,
    switch,
    undefended,
    whole_network,
)

EPOCHS = 10
CONVOLUTIONS = ("stem", "stage1", "stage2")
BODY = (*CONVOLUTIONS, "stage3")  # all but the last layer
DEFENCES = (
    *(RelaxLoss(alpha=alpha) for alpha in (1.0, 1.4)),
    HAMP(gamma=0.5, alpha=0.001),
    CCL(alpha=0.5, beta=0.5),
)

study = Study(
    name="cifar10",
    data=Tfds("cifar10"),
    model=cnn([8, 16, 32], dense=64, num_classes=10, norm="batch"),
    split=Balanced(models=8),
    examples=1600,
    optimizer=SGD(learning_rate=0.05),
    batch_size=50,
    compared="rmia_online",  # LiRA fits Gaussians, for which so few shadows are too few
    trajectory=(1, 2, 3, 5, 7),
    recipes=(
        undefended(EPOCHS),
        *(early_stopped(epochs) for epochs in (2, 3, 5, 7)),
        *(whole_network(defence, EPOCHS) for defence in DEFENCES),
        *(freeze(CONVOLUTIONS, after=after, more=5) for after in (2, 4)),
        *(freeze(BODY, after=after, more=5) for after in (3, 5)),
        *(freeze(CONVOLUTIONS, after=3, more=5, defence=defence) for defence in DEFENCES),
        switch(DEFENCES[0], after=3, more=5),
    ),
)
