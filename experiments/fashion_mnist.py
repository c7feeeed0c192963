"""Fashion-MNIST: 1,200 images of clothing and a small convolutional network.

Command: `pptp run experiments/fashion_mnist.py --data DIR`, with the directory in which TFDS has
prepared `fashion_mnist` as array_record; about 20 minutes on one CPU core.

Result (docs/findings.md): everything ties with early stopping.
"""

from pptp_jax.data import Balanced, Tfds
from pptp_jax.models import cnn
from pptp_jax.objectives import CCL, HAMP, RelaxLoss
from pptp_jax.study import Study
from pptp_jax.training import (
    SGD,
    early_stopped,
    freeze,
    split,
    switch,
    undefended,
    whole_network,
)

EPOCHS = 15
CONVOLUTIONS = ("stem", "stage1")
BODY = (*CONVOLUTIONS, "stage2")  # all but the last layer
DEFENCES = (
    *(RelaxLoss(alpha=alpha) for alpha in (0.3, 0.6)),
    HAMP(gamma=0.5, alpha=0.001),
    CCL(alpha=0.5, beta=0.5),
)

study = Study(
    name="fashion_mnist",
    data=Tfds("fashion_mnist"),
    model=cnn([8, 16], dense=64, num_classes=10),
    split=Balanced(models=8),
    examples=1200,
    optimizer=SGD(learning_rate=0.05),
    batch_size=50,
    compared="rmia_online",  # LiRA fits Gaussians, for which so few shadows are too few
    trajectory=(3, 6, 9, 12),
    recipes=(
        undefended(EPOCHS),
        *(early_stopped(epochs) for epochs in (4, 6, 9, 13)),
        *(whole_network(defence, EPOCHS) for defence in DEFENCES),
        *(freeze(CONVOLUTIONS, after=after, more=6) for after in (4, 8)),
        *(freeze(BODY, after=after, more=6) for after in (4, 8, 12)),
        freeze("head", after=6, more=6),
        *(freeze(CONVOLUTIONS, after=6, more=6, defence=defence) for defence in DEFENCES),
        *(switch(defence, after=6, more=6) for defence in (DEFENCES[0], *DEFENCES[2:])),
        split(CONVOLUTIONS, DEFENCES[1], EPOCHS),
    ),
)
