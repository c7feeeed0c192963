"""Digits: how much a small network leaks of its members, with and without protection.

Command: `pptp run experiments/digits.py` (no download; two minutes on two CPU cores).
"""

from pptp_jax.data import Balanced, Digits
from pptp_jax.models import mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.study import Study
from pptp_jax.training import SGD, early_stopped, freeze, rewind, split, undefended, whole_network

EPOCHS = 30
DEFENCE = RelaxLoss(alpha=0.5)

study = Study(
    name="digits",
    data=Digits(),
    model=mlp([256, 128, 64], num_classes=10),
    split=Balanced(models=16),
    optimizer=SGD(),
    trajectory=(1, 2, 4, 8, 16),
    recipes=(
        undefended(EPOCHS),
        early_stopped(2),
        early_stopped(4),
        whole_network(DEFENCE, EPOCHS),
        freeze("shallow", after=2, more=4),
        split("stem", DEFENCE, EPOCHS),
        rewind("shallow", DEFENCE, EPOCHS, retrain=EPOCHS),
    ),
)
