"""CIFAR-10 and a ResNet-8: how strong is a label-only attacker with many queries?

Command: `pptp run experiments/cifar10_resnet8_labels.py --data DIR`, with the directory in which
TFDS has prepared `cifar10` as array_record. Averaged to 16×16 pixels; 8 models of 1,000 members.

For each example and model the attacker asks for 137 labels to find the distance to the decision
boundary, and for 50 under noise. Early stopping and strong decay are those of
`cifar10_resnet8_attacks.py`. RMIA, which sees scores, stands beside them.

Result (docs/findings.md): asking often finds no more than the label alone, and every attack
sees less under strong decay.
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.data import Balanced
from pptp_jax.study import Probes, load_study
from pptp_jax.training import annealed, decay

study = replace(
    load_study(Path(__file__).with_name("cifar10_resnet8_attacks.py")),
    name="cifar10_resnet8_labels",
    split=Balanced(models=8),
    seed=4,
    examples=2000,
    reference=0,
    white_box=False,
    attacks=("correctness", "augmentation", "noise", "boundary_distance", "loss", "rmia_online"),
    probes=Probes(boundary_queries=137, boundary_iterations=3, noise_draws=50),
    recipes=(annealed(14), annealed(decay(30, 0.005))),
)
