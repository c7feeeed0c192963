"""Location-30: check-ins of 5,010 people, a classic of membership inference, and a small MLP.

Command: `pptp run experiments/location30.py --data location30.npz`, with a file of arrays `x`
(5010, 446) and `y` (5010,); about twenty minutes on two CPU cores.

The README has the result. A study by hand that came before this one had, as test accuracy / AUC of
LiRA online: undefended .681/.937; early stopping after 2 epochs .662/.716; RelaxLoss 1 on the whole
network .547/.707; `split` of the first layer .552/.659, of the deep half .435/.847; `rewind` of the
first layer .553/.667, of the shallow half .557/.635; `freeze` of all but the last layer 1+8
.658/.652. The order is the same here. The largest differences are those of `split` deep (.473/.861)
and `rewind` shallow (.580/.670), where both numbers are higher. Its seeds and its code are not
known, and it had one seed a model and no intervals.
"""

from pptp_jax.data import Balanced, Npz
from pptp_jax.models import mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.study import Study
from pptp_jax.training import early_stopped, freeze, rewind, split, undefended, whole_network

EPOCHS = 30
BODY = ("stem", "stage1", "stage2")  # all but the last layer
DEFENCE = RelaxLoss(alpha=1.0)

study = Study(
    name="location30",
    data=Npz(),
    model=mlp([512, 256, 128], num_classes=30),
    split=Balanced(models=16),
    recipes=(
        undefended(EPOCHS),
        *(early_stopped(epochs) for epochs in (1, 2, 3, 4, 7)),
        *(whole_network(RelaxLoss(alpha=alpha), EPOCHS) for alpha in (0.2, 0.5, 1.0, 1.5)),
        *(freeze(BODY, after=after, more=8) for after in (1, 2)),
        *(freeze("shallow", after=after, more=4) for after in (1, 2)),
        freeze("deep", after=2, more=4),
        *(split("stem", RelaxLoss(alpha=alpha), EPOCHS) for alpha in (0.5, 1.0, 1.5)),
        split("deep", DEFENCE, EPOCHS),
        rewind("stem", DEFENCE, EPOCHS, retrain=EPOCHS),
        rewind("shallow", DEFENCE, EPOCHS, retrain=EPOCHS),
    ),
)
