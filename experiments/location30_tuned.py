r"""Location-30: `freeze` against tuned rivals: early stopping, and weight decay of the network.

Command, on a fleet for choices, then on a fresh one (the first took ten minutes on a loaded core):

    pptp run experiments/location30_tuned.py --data location30.npz --out runs/tuning \
        --set seed=100 --set models=8
    pptp choose runs/tuning
    pptp run experiments/location30_tuned.py --data location30.npz

A rival that needs another model has a run of its own, `--set model.dropout=0.5` with another
`--out`; `pptp compare` puts it among the rivals.

Result (docs/findings.md): `freeze` of the body keeps 2.3 points [1.7, 3.1] more accuracy than the
hull of the rivals, which is that of early stopping but for a tenth of a point. Decay inside it
gains nothing more; with dropout among the rivals 2.1 points [1.5, 2.8] are left.
"""

from dataclasses import replace

from pptp_jax.data import Balanced, Npz
from pptp_jax.models import mlp
from pptp_jax.study import Study
from pptp_jax.training import SGD, Recipe, decay, early_stopped, freeze, undefended

EPOCHS = 15
BODY = ("stem", "stage1", "stage2")  # all but the last layer


def decayed(recipe: Recipe, weight_decay: float) -> Recipe:
    """The recipe with a weight decay of its own on all that learns."""
    phases = tuple(replace(phase, weight_decay=weight_decay) for phase in recipe.phases)
    return replace(recipe, phases=phases, defence="weight_decay", strength=weight_decay)


study = Study(
    name="location30_tuned",
    data=Npz(),
    model=mlp([512, 256, 128], num_classes=30),
    split=Balanced(models=16),
    optimizer=SGD(),
    trajectory=(1, 2, 3, 5, 8, 11),
    recipes=(
        undefended(EPOCHS),
        *(early_stopped(epochs) for epochs in (1, 2, 3, 4, 5, 7, 10)),
        *(decay(EPOCHS, strength) for strength in (0.0005, 0.001, 0.002, 0.005, 0.01)),
        *(decay(epochs, strength) for strength in (0.002, 0.005, 0.01) for epochs in (1, 2, 3, 5)),
        *(freeze(BODY, after=after, more=8) for after in (1, 2, 3, 4)),
        *(freeze("shallow", after=after, more=4) for after in (1, 2, 3, 4)),
        *(
            decayed(freeze(BODY, after=after, more=8), strength)
            for strength in (0.001, 0.005)
            for after in (1, 2, 3)
        ),
    ),
)
