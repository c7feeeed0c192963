r"""CIFAR-10: ResNet-18 in the four-quarter protocol of PPTP's authors, 16 models and two queries.

On a GPU: `pptp run experiments/cifar10_resnet18.py --data DIR`, with the directory in which TFDS
has prepared `cifar10` as array_record (all 60,000 images). On a TPU pod or several machines the
same command with `--distributed`, see docs/pods.md. With `--dry-run` it says how long it will take
where it is called.

The protocol is that of the authors' other published code: training and test images joined and cut
into four quarters of 15,000, the members of the target, its non-members, and a pool of which each
of 15 shadows learns half; 100 epochs of SGD, batch 128, rate .01, a tenth of it from epoch 50 on
and a hundredth from epoch 80 on, momentum .9, weight decay 5e-4, no augmentation. The shadows know
none of the images under attack, so LiRA and RMIA are offline. The second query, mirrored, is of
LiRA's authors.

The protocol has not been run, for want of a GPU. A shortened form for two CPU cores, which shows
that all of it works and nothing else (two minutes; accuracy .10, AUC of the loss .57 ± .11):

    pptp run experiments/cifar10_resnet18.py --data DIR --recipe undefended \
        --strategy scan --set shadows=3 --set examples=200 --set batch_size=25 \
        --set recipes.undefended.epochs=2
"""

from pptp_jax.data import Quarters, Tfds
from pptp_jax.models import resnet18
from pptp_jax.objectives import CCL, RelaxLoss
from pptp_jax.signals import FLIP, IDENTITY
from pptp_jax.study import Study
from pptp_jax.training import SGD, early_stopped, freeze, undefended, whole_network

EPOCHS = 100
BODY = ("stem", "stage1", "stage2", "stage3", "stage4")  # all but the last layer
DEFENCES = (RelaxLoss.published("cifar10/resnet20"), CCL.published("cifar10/resnet18"))

study = Study(
    name="cifar10_resnet18",
    data=Tfds("cifar10", splits=("train", "test")),
    model=resnet18(num_classes=10),
    split=Quarters(targets=1, shadows=15),
    optimizer=SGD(learning_rate=0.01, momentum=0.9, weight_decay=5e-4, schedule="steps"),
    batch_size=128,
    queries=(IDENTITY, FLIP),
    attacks=("loss", "lira_offline", "rmia_offline"),
    compared="lira_offline",
    trajectory=(10, 20, 40, 60, 80),
    recipes=(
        undefended(EPOCHS),
        *(early_stopped(epochs) for epochs in (10, 20, 40)),
        *(whole_network(defence, EPOCHS) for defence in DEFENCES),
        *(freeze("shallow", after=after, more=20) for after in (10, 20)),
        *(freeze(BODY, after=after, more=20) for after in (10, 20, 40)),
        *(freeze(BODY, after=20, more=20, defence=defence) for defence in DEFENCES),
    ),
)
