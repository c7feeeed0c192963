"""Location-30: check-ins of 5,010 people, a classic of membership inference, and a small MLP.

Command: `pptp run experiments/location30.py --data location30.npz`, with a file of arrays `x`
(5010, 446) and `y` (5010,); about half an hour on one CPU core. The risk map is
`pptp locate experiments/location30.py --data location30.npz`, three minutes.

Result (docs/findings.md): `freeze` of all but the last layer beats early stopping, and each defence
inside it beats that defence in all network; every other recipe loses to early stopping.
"""

from pptp_jax.data import Balanced, Npz
from pptp_jax.models import mlp
from pptp_jax.objectives import CCL, HAMP, RelaxLoss
from pptp_jax.study import Study
from pptp_jax.training import (
    SGD,
    Perturbation,
    RewindWeights,
    cwrf,
    early_stopped,
    finish,
    freeze,
    freeze_in_turn,
    perturb,
    rewind,
    split,
    switch,
    undefended,
    whole_network,
)

EPOCHS = 15
BODY = ("stem", "stage1", "stage2")  # all but the last layer
RELAX = RelaxLoss(alpha=1.0)
DEFENCES = (
    *(RelaxLoss(alpha=alpha) for alpha in (0.2, 0.5, 1.0, 1.5)),
    *(HAMP(gamma=gamma, alpha=0.001) for gamma in (0.5, 0.8, 0.95)),
    *(CCL(alpha=alpha, beta=0.5) for alpha in (0.25, 0.5, 0.75)),
)

study = Study(
    name="location30",
    data=Npz(),
    model=mlp([512, 256, 128], num_classes=30),
    split=Balanced(models=16),
    optimizer=SGD(),
    trajectory=(1, 2, 3, 5, 8, 11),
    recipes=(
        undefended(EPOCHS),
        *(early_stopped(epochs) for epochs in (1, 2, 3, 4, 5, 7)),
        *(whole_network(defence, EPOCHS) for defence in DEFENCES),
        *(freeze(BODY, after=after, more=8) for after in (1, 2, 3)),
        *(freeze("shallow", after=after, more=4) for after in (1, 2, 3)),
        freeze_in_turn({"stem": 1, "stage1": 2, "stage2": 3}, epochs=10),
        freeze("deep", after=2, more=4),
        *(
            freeze(BODY, after=after, more=8, defence=defence)
            for defence in (*DEFENCES[:3], *DEFENCES[4:6], *DEFENCES[7:9])
            for after in (1, 2)
        ),
        *(switch(defence, after=2, more=8) for defence in (DEFENCES[0], *DEFENCES[2:9:3])),
        *(split("stem", defence, EPOCHS) for defence in DEFENCES[1:4]),
        split("not stem", RELAX, EPOCHS),
        rewind("shallow", RELAX, EPOCHS, retrain=EPOCHS),
        rewind("shallow", RELAX, EPOCHS, retrain=EPOCHS, rewinding=False),
        finish("shallow", RELAX, EPOCHS, more=4),
        perturb("shallow", Perturbation(scale=0.1), epochs=8),
        # The share of all weights that the first layer has.
        cwrf(RewindWeights(share=0.58, reference_weight=0.0), RELAX, EPOCHS, more=8),
    ),
)
