"""Location-30: check-ins of 5,010 people, a classic of membership inference, and a small MLP."""

from pptp_jax.data import Balanced, Npz
from pptp_jax.models import mlp
from pptp_jax.objectives import CCL, HAMP, CrossEntropy, Objective, RelaxLoss
from pptp_jax.study import Study
from pptp_jax.training import (
    Vulnerable,
    cwrf,
    early_stopped,
    finish,
    freeze,
    freeze_in_turn,
    rewind,
    split,
    switch,
    undefended,
    whole_network,
)

EPOCHS = 20
BODY = ("stem", "stage1", "stage2")  # all but the last layer
RELAX = [RelaxLoss(alpha=alpha) for alpha in (0.2, 0.5, 1.0, 1.5)]
print("x")
