"""Location-30: DP-SGD with Poisson batches against `freeze` and early stopping, at equal attack.

Command: `pptp run experiments/private_location30.py --data location30.npz`; about twelve
minutes of one CPU core. `python experiments/private_location30.py` prints the ε of each recipe,
with that of shuffled batches beside it, in seconds and without data.

All recipes share a batch of 501, a fifth of the members: the noise of DP-SGD on a gradient falls
with the batch. DP-SGD trains all of the network, or, in `private_head`, what `freeze` goes on
with: the body learns from the members as they are, and is frozen; then the head learns by DP-SGD.
That is private from the freeze on alone. **The body has seen the members, so there is no ε for the
model**; the number that is printed is that of the head for an attacker who knows the body.

Norms, noise and epochs were chosen on another fleet (2 models, seed 100; docs/findings.md).

Result (docs/findings.md): DP-SGD loses two points to early stopping. A head by DP-SGD behind a body
that was frozen early beats early stopping by as much, without an ε for the model.
"""

from pptp_jax.data import Balanced, Npz
from pptp_jax.models import mlp
from pptp_jax.objectives import TaskLoss
from pptp_jax.privacy import epsilon
from pptp_jax.regions import PROTECT
from pptp_jax.study import Study
from pptp_jax.study.guarantee import ledger
from pptp_jax.training import (
    SGD,
    Phase,
    Poisson,
    Private,
    Recipe,
    Shuffled,
    dp_sgd,
    early_stopped,
    freeze,
    undefended,
)

BODY = ("stem", "stage1", "stage2")  # all but the last layer
MEMBERS, BATCH = 2505, 501


def private(noise: float) -> Private:
    """DP-SGD. An example at a time is the fastest on a CPU."""
    return Private(noise_multiplier=noise, max_norm=3.0, microbatch_size=1)


def private_head(after: int, noise: float) -> Recipe:
    """`freeze` whose second phase is DP-SGD: no ε for the model, one for its head."""
    second = Phase(
        epochs=16,
        objectives=TaskLoss(),
        frozen=(PROTECT,),
        gradient=private(noise),
        batches=Poisson(),
    )
    return Recipe(
        name="freeze, head by dp_sgd",
        phases=(Phase(epochs=after, objectives=TaskLoss()), second),
        region=BODY,
        defence="noise",
        strength=noise,
    )


PRIVATE = dp_sgd(private(1.0), epochs=12, batches=Poisson())
HEAD = private_head(after=4, noise=2.0)

study = Study(
    name="private_location30",
    data=Npz(),
    model=mlp([512, 256, 128], num_classes=30),
    split=Balanced(models=12),
    optimizer=SGD(learning_rate=0.3),
    seed=1,  # of another fleet than those that the norms were chosen on
    batch_size=BATCH,
    attacks=("lira_online", "rmia_online"),
    combine=False,
    trajectory=(2, 3, 5, 8, 12, 16),
    recipes=(
        *(early_stopped(epochs) for epochs in (2, 3, 4, 5, 6, 8, 12)),
        undefended(20),
        *(freeze(BODY, after=after, more=16) for after in (2, 3, 4, 6, 8)),
        PRIVATE,
        HEAD,
    ),
)


def main() -> None:
    """Prints the ε of the private phase of each recipe, at δ = 1 / (10 · members)."""
    for recipe in (PRIVATE, HEAD):
        [*before, phase] = recipe.phases
        of_both = [
            epsilon([ledger(own, recipe, study.model, MEMBERS, BATCH)], delta=0.1 / MEMBERS).epsilon
            for own in (phase, Phase(**{**vars(phase), "batches": Shuffled()}))
        ]
        whose = "the head, given the body; none for the model" if before else "the model"
        print(f"{recipe.slug}: ε = {of_both[0]:.2f} of {whose} (shuffled: {of_both[1]:.1f})")


if __name__ == "__main__":
    main()
