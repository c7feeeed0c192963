r"""Digits: which region, and how strong, searched on one fleet and reported on another.

Command, on a fleet for choices, then on a fresh one:

    pptp run experiments/digits_tuned.py --out runs/tuning --set seed=100 --set models=8
    pptp choose runs/tuning
    pptp run experiments/digits_tuned.py

Every prefix and every suffix of the network is frozen after 1 to 4 epochs. The rivals are early
stopping and weight decay of the entire network.

Result (docs/findings.md): no region lies above the hull of the rivals.
"""

from pptp_jax.data import Balanced, Digits
from pptp_jax.models import mlp
from pptp_jax.study import Study
from pptp_jax.training import SGD, decay, early_stopped, freeze, undefended

EPOCHS = 30
REGIONS = ("blocks[:1]", "blocks[:2]", "blocks[:3]", "blocks[1:]", "blocks[2:]", "blocks[3:]")

study = Study(
    name="digits_tuned",
    data=Digits(),
    model=mlp([256, 128, 64], num_classes=10),
    split=Balanced(models=16),
    optimizer=SGD(),
    trajectory=(1, 2, 4, 8, 16),
    recipes=(
        undefended(EPOCHS),
        *(early_stopped(epochs) for epochs in (1, 2, 3, 4, 6)),
        *(
            decay(epochs, strength)
            for strength in (0.002, 0.005, 0.01, 0.02)
            for epochs in (EPOCHS, 4, 2)
        ),
        *(freeze(region, after=after, more=4) for region in REGIONS for after in (1, 2, 3, 4)),
    ),
)
