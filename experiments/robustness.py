"""Fashion-MNIST: what a defence against membership inference does to robustness, its side effect.

Command: `pptp run experiments/robustness.py --data DIR`, with the directory in which TFDS has
prepared `fashion_mnist` as array_record; about six minutes on one CPU core.

Result (docs/findings.md): no defence was seen to cost robustness beyond the accuracy that it costs
on clean inputs.
"""

from pptp_jax.data import Balanced, Tfds
from pptp_jax.models import cnn
from pptp_jax.objectives import CCL, HAMP, RelaxLoss
from pptp_jax.robustness import Robustness
from pptp_jax.study import Study
from pptp_jax.training import (
    SGD,
    early_stopped,
    freeze,
    undefended,
    whole_network,
)

EPOCHS = 15
BODY = ("stem", "stage1", "stage2")  # all but the last layer
DEFENCES = (RelaxLoss(alpha=0.6), HAMP(gamma=0.5, alpha=0.001), CCL(alpha=0.5, beta=0.5))

study = Study(
    name="robustness",
    data=Tfds("fashion_mnist"),
    model=cnn([8, 16], dense=64, num_classes=10),
    split=Balanced(models=8),
    examples=1200,
    optimizer=SGD(learning_rate=0.05),
    batch_size=50,
    attacks=("loss", "rmia_online"),
    compared="rmia_online",  # LiRA fits Gaussians, for which so few shadows are too few
    robustness=Robustness(
        epsilons=(0.01, 0.03), steps=(5, 20), noise=(0.1, 0.3), draws=2, examples=100
    ),
    recipes=(
        undefended(EPOCHS),
        *(early_stopped(epochs) for epochs in (4, 9)),
        freeze(BODY, after=6, more=6),
        *(whole_network(defence, EPOCHS) for defence in DEFENCES),
        *(freeze(BODY, after=6, more=6, defence=defence) for defence in DEFENCES),
    ),
)
