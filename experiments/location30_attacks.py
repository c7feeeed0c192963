"""Location-30: does a stronger attack than LiRA find more in a network that was frozen early?

Command: `pptp run experiments/location30_attacks.py --data location30.npz`. 500 examples are set
aside as known non-members; label-only attackers may ask 137 (boundary) and 50 (noise) labels about
an example, fewer than by default. 23 minutes on two CPU cores beside other work.

Result (docs/findings.md): no. To every attack `freeze` leaks less than early stopping, and none
sees clearly more than LiRA and RMIA do.
"""

from pptp_jax.attacks import ATTACKS
from pptp_jax.data import Balanced, Npz
from pptp_jax.models import mlp
from pptp_jax.study import Probes, Study
from pptp_jax.training import SGD, early_stopped, freeze, undefended

BODY = ("stem", "stage1", "stage2")  # all but the last layer

study = Study(
    name="location30_attacks",
    data=Npz(),
    model=mlp([512, 256, 128], num_classes=30),
    split=Balanced(models=16),
    optimizer=SGD(),
    reference=500,
    attacks=tuple(ATTACKS),
    probes=Probes(boundary_queries=137, boundary_iterations=3, noise_draws=50),
    recipes=(undefended(15), early_stopped(3), freeze(BODY, after=2, more=8)),
)
