"""Location-30: does an attacker who has the weights find more in a region that was frozen early?

Command: `pptp run experiments/white_box.py --data location30.npz`; ten minutes on one CPU core.

Result (docs/findings.md): neither the gradients nor the features of a frozen region leak more than
the outputs; its features leak as much as they did when it was frozen.
"""

from pptp_jax.data import Balanced, Npz
from pptp_jax.models import mlp
from pptp_jax.study import Study
from pptp_jax.training import SGD, early_stopped, freeze, undefended

BODY = ("stem", "stage1", "stage2")  # all but the last layer

study = Study(
    name="white_box",
    data=Npz(),
    model=mlp([512, 256, 128], num_classes=30),
    split=Balanced(models=16),
    optimizer=SGD(),
    white_box=True,
    recipes=(
        undefended(15),
        *(early_stopped(epochs) for epochs in (1, 2, 3)),
        *(freeze(BODY, after=after, more=8) for after in (1, 2)),
    ),
)
