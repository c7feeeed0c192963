"""Fashion-MNIST and a ResNet-8: the recipes of `cifar10_resnet8_head.py` on another set of images.

Command: `pptp run experiments/fashion_mnist_resnet8_head.py --data DIR`, with the directory in
which TFDS has prepared `fashion_mnist` as array_record. Averaged to 14×14 pixels, 32 models of
1,000 members.

Result (docs/findings.md): 0.2 points [-2.8, 1.7], as on CIFAR-10 nothing.
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.data import Shrunk, Tfds
from pptp_jax.study import load_study

study = replace(
    load_study(Path(__file__).with_name("cifar10_resnet8_head.py")),
    name="fashion_mnist_resnet8_head",
    data=Shrunk(Tfds("fashion_mnist")),
    examples=2000,
)
