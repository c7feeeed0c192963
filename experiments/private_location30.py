"""Location-30: DP-SGD against `freeze` and early stopping, at equal attack strength.

Command: `pptp run experiments/private_location30.py --data location30.npz --set models=8`.

All recipes share a batch of 501, a fifth of the members: the noise of DP-SGD on a gradient falls
with the batch. The learning rate, the norm of clipping and the batch were chosen for DP-SGD on
another fleet (4 models, seed 100, noise 2, ten epochs, RMIA): of rates .3 and 1 and norms .1, .3, 1
and 3 a rate of .3 with norm 1 kept most accuracy.
"""

from pptp_jax.data import Balanced, Npz
from pptp_jax.models import mlp
from pptp_jax.objectives import CrossEntropy
from pptp_jax.regions import PROTECT
from pptp_jax.study import Study
from pptp_jax.training import (
    SGD,
    Phase,
    Private,
    Recipe,
    dp_sgd,
    early_stopped,
    freeze,
    undefended,
)

BODY = ("stem", "stage1", "stage2")  # all but the last layer
NOISES = (0.7, 0.3, 1.5)


def private(noise: float) -> Private:
    """One example's gradient at a time, which is the fastest on a CPU."""
    return Private(noise_multiplier=noise, max_norm=1.0, microbatch_size=1)


def private_freeze(noise: float, after: int, more: int, *, head: bool) -> Recipe:
    """DP-SGD, then the body stops; the head goes on likewise, or in the clear and without an ε."""
    rule, plain = private(noise), CrossEntropy()
    phases = (
        Phase(epochs=after, objectives=plain, private=rule),
        Phase(epochs=more, objectives=plain, frozen=(PROTECT,), private=rule if head else None),
    )
    name = "private freeze" if head else "half private freeze"
    return Recipe(name=name, phases=phases, region=BODY, defence="noise", strength=noise)


study = Study(
    name="private_location30",
    data=Npz(),
    model=mlp([512, 256, 128], num_classes=30),
    split=Balanced(models=16),
    optimizer=SGD(learning_rate=0.3),
    batch_size=501,
    compared="rmia_online",
    trajectory=(1, 2, 3, 4, 5, 6, 8, 10, 13),
    recipes=(
        *(early_stopped(epochs) for epochs in (3, 4, 5, 6, 8, 12)),
        undefended(20),
        *(freeze(BODY, after=after, more=16) for after in (4, 6, 8)),
        *(dp_sgd(private(noise), epochs=6) for noise in NOISES[:2]),
        private_freeze(NOISES[1], after=4, more=8, head=False),
        dp_sgd(private(NOISES[2]), epochs=6),
        private_freeze(NOISES[1], after=4, more=4, head=True),
    ),
)
