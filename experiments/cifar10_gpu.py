r"""CIFAR-10 and a ResNet-9 on one GPU, within eight minutes: early stopping and decay by region.

    python benchmarks/accelerator_data.py --data DIR   # once, where TFDS has prepared cifar10
    pptp run experiments/cifar10_gpu.py --data benchmarks/accelerator_data.npz --strategy scan

16 models of 6,000 members, eight recipes: undefended, two earlier stops with an anneal of their
own, weight decay on the entire network at three strengths, and on the last stage alone, which
has 90 % of the weights, at two. Every trunk has a constant rate, and an anneal over three epochs
follows. The early stops are branches of the longest trunk, which is trained once. The question is
that of `cifar10_resnet8.py`, with three times as many members, full images and a network that
reaches 93 % on all of CIFAR-10 (`cifar10_fast.py`).

**No GPU has run it.** Eight minutes are a prediction:

| | |
| --- | --- |
| a training step, an example: three forward passes of 95.3 million products | .57 GFLOP |
| epochs of a model: 6 trunks of 16, 8 anneals of 3 | 120 |
| all: 120 epochs x 6,000 members x 16 models x .57 GFLOP | 6.6e15 FLOP |
| training, at 30 TFLOP/s | 220 s |
| compilation of six programs of training and one of signals, 15 s each | 105 s |
| signals in float32: 8 recipes x 16 models x 12,000 images x 2 queries, at 15 TFLOP/s | 40 s |
| attacks, bootstrap, report: 48 s of a CPU for 8 recipes of made-up signals, and figures | 60 s |
| start, data, checkpoints | 20 s |
| together | 445 s |

30 TFLOP/s is 3 % of what an H100 multiplies at best in bfloat16. The batches are small: a step of
128 images is 73 GFLOP, which then takes 2.4 ms, and merely to start some 300 kernels takes about
1 ms. A published program for a network like this one reaches 110 TFLOP/s on an A100 with batches of
1,024 (Jordan 2024: 3.6e14 FLOP in 3.29 s). Down to 26 TFLOP/s the run takes eight minutes.
`--strategy scan` leaves out the probe, which would also compile convolutions of 16 models at once.

A slower device takes fewer members (`--set examples=6000`) or recipes (`--recipe`); a faster one a
wider network: `--set model.width=64` has four times the operations. An interrupted run goes on
where it stopped.

References:
    Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024,
    https://arxiv.org/abs/2404.00498
"""

from pptp_jax.data import Augmentation, Balanced, Npz
from pptp_jax.models import resnet9
from pptp_jax.signals import FLIP, IDENTITY
from pptp_jax.study import Study
from pptp_jax.training import SGD, annealed, decay

EPOCHS = 16
LAST = "stage3"

study = Study(
    name="cifar10_gpu",
    data=Npz(),
    model=resnet9(num_classes=10, width=32),
    split=Balanced(models=16),
    examples=12_000,
    optimizer=SGD(learning_rate=0.1, momentum=0.9, weight_decay=5e-4),
    batch_size=128,
    precision="bfloat16",
    augmentation=Augmentation(flip=True, shift=4),
    queries=(IDENTITY, FLIP),
    attacks=("lira_online", "rmia_online"),
    compared="rmia_online",
    recipes=(
        annealed(EPOCHS),  # undefended; the longest trunk first, so that others branch off it
        *(annealed(stop) for stop in (8, 4)),
        *(annealed(decay(EPOCHS, strength)) for strength in (0.002, 0.005, 0.01)),
        *(annealed(decay(EPOCHS, strength, LAST)) for strength in (0.005, 0.02)),
    ),
)
