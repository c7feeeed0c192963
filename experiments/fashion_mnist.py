"""Fashion-MNIST: 3,000 images of clothing and a small convolutional network.

Command: `pptp run experiments/fashion_mnist.py --data DIR`, with the directory in which TFDS has
prepared `fashion_mnist` as array_record; about a quarter of an hour on two CPU
cores.
"""

from pptp_jax.data import Balanced, Tfds
from pptp_jax.models import cnn
from pptp_jax.objectives import RelaxLoss
from pptp_jax.study import Study
from pptp_jax.training import SGD, early_stopped, freeze, split, undefended, whole_network

EPOCHS = 15
DEFENCE = RelaxLoss(alpha=0.5)
CONVOLUTIONS = ("stem", "stage1")

study = Study(
    name="fashion_mnist",
    data=Tfds("fashion_mnist"),
    model=cnn([16, 32], dense=64, num_classes=10),
    split=Balanced(models=16),
    examples=3000,
    optimizer=SGD(learning_rate=0.05),
    recipes=(
        undefended(EPOCHS),
        early_stopped(4),
        early_stopped(8),
        whole_network(DEFENCE, EPOCHS),
        freeze(CONVOLUTIONS, after=4, more=4),
        split(CONVOLUTIONS, DEFENCE, EPOCHS),
    ),
)
