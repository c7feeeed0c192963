r"""CIFAR-10: WRN-28-2 as LiRA's authors train it, 16 models and two queries.

On a GPU: `pptp run experiments/cifar10_wrn28.py --data DIR`, with the directory in which TFDS has
prepared `cifar10` as array_record (its 50,000 training images). On a TPU pod or several machines
the same command with `--distributed`, see docs/pods.md. With `--dry-run` it says how long it will
take where it is called.

The protocol is that of the published code (https://arxiv.org/abs/2112.03570,
tensorflow/privacy/research/mi_lira_2021): 100 epochs of SGD, batch 256, rate .1 by cos(7πt/16)
after a warm-up of 1 %, momentum .9, weight decay 5e-4, flips and reflected shifts of 4 pixels, each
image in half of the models, two queries (plain and mirrored). Ours differs in this: every model has
exactly half of the images; the last, smaller batch of an epoch is left out; inputs lie in [0, 1];
weight decay takes biases and norms, too; the network that is attacked is the last one, not a
moving average.

The protocol has not been run, for want of a GPU. A shortened form, run end to end:

    pptp run experiments/cifar10_wrn28.py --data DIR --recipe undefended \
        --strategy scan --set models=4 --set examples=200 --set batch_size=25 \
        --set recipes.undefended.epochs=2

It took three minutes of CPU time, most of them to compile, and half an hour on a machine that
others used: accuracy .147, AUC of the loss .545, of RMIA .551 (± .06). LiRA wants six models.
"""

from pptp_jax.data import Augmentation, Balanced, Tfds
from pptp_jax.models import wrn28
from pptp_jax.signals import FLIP, IDENTITY
from pptp_jax.study import Study
from pptp_jax.training import SGD, early_stopped, freeze, undefended

EPOCHS = 100
BODY = ("stem", "stage1", "stage2", "stage3")  # all but the last norm and layer

study = Study(
    name="cifar10_wrn28",
    data=Tfds("cifar10"),
    model=wrn28(2, num_classes=10),
    split=Balanced(models=16),
    optimizer=SGD(learning_rate=0.1, momentum=0.9, weight_decay=5e-4, schedule="lira"),
    batch_size=256,
    augmentation=Augmentation(flip=True, shift=4),
    queries=(IDENTITY, FLIP),
    trajectory=(10, 20, 40, 60, 80),
    recipes=(
        undefended(EPOCHS),
        *(early_stopped(epochs) for epochs in (10, 20, 40)),
        *(freeze("shallow", after=after, more=20) for after in (10, 20)),
        *(freeze(BODY, after=after, more=20) for after in (10, 20, 40)),
    ),
)
