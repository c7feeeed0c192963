"""Fashion-MNIST and a ResNet-8: the recipes of `cifar10_resnet8.py` on another set of images.

Command: `pptp run experiments/fashion_mnist_resnet8.py --data DIR`, with the directory in which
TFDS has prepared `fashion_mnist` as array_record. Averaged to 14×14 pixels, 16 models of 1,000
members.

Result (docs/findings.md): strong decay with a short anneal keeps 1.4 points [0.2, 2.7] more than
early stopping; no region lies above the hull of the rivals by its interval.
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.data import Shrunk, Tfds
from pptp_jax.study import load_study

study = replace(
    load_study(Path(__file__).with_name("cifar10_resnet8.py")),
    name="fashion_mnist_resnet8",
    data=Shrunk(Tfds("fashion_mnist")),
    examples=2000,
)
