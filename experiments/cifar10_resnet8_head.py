"""CIFAR-10 and a ResNet-8: does annealing the head alone beat rivals that are strong as well?

Command: `pptp run experiments/cifar10_resnet8_head.py --data DIR`, with the directory in which TFDS
has prepared `cifar10` as array_record.

`cifar10_resnet8.py` (seed 0) left one question open: where protection is strongest, AUC below .56,
all but the head frozen in the anneal lay 2 to 4 points above the rivals' hull, with intervals that
touched zero, and the hull was a chord between few rivals. Here are 32 models of another seed, the
three settings that were best there, and rivals in between: three strengths of decay, anneals of one
epoch and more, and averages of the trunk, which need no anneal.

Result (docs/findings.md): nothing is left of the gain, 0.2 points [-1.7, 1.4].
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.data import Balanced
from pptp_jax.study import load_study
from pptp_jax.training import annealed, averaged, decay

BODY = "not head"
d005, d0075, d01 = (decay(30, strength) for strength in (0.005, 0.0075, 0.01))

study = replace(
    load_study(Path(__file__).with_name("cifar10_resnet8.py")),
    name="cifar10_resnet8_head",
    split=Balanced(models=32),
    seed=1,
    recipes=(
        annealed(d005, anneal=6),
        *(annealed(d005, anneal=length) for length in (1, 2)),
        averaged(d005, more=3),
        *(annealed(d005, anneal=length, region=BODY) for length in (2, 6)),
        *(annealed(d01, anneal=length) for length in (6, 1, 2, 3)),
        averaged(d01, more=3),
        annealed(d01, anneal=6, region=BODY),
        *(annealed(d0075, anneal=length) for length in (3, 1, 2)),
        averaged(d0075, more=3),
    ),
)
