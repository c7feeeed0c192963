"""Fashion-MNIST and a ResNet-8: the recipes of `cifar10_resnet8_readings.py` on other images.

Command: `pptp run experiments/fashion_mnist_resnet8_readings.py --data DIR`, with the directory in
which TFDS has prepared `fashion_mnist` as array_record. Averaged to 14×14 pixels, 16 models of
1,000 members.

Result (docs/findings.md): every reading lies on the hull of the rivals or below it.
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.data import Shrunk, Tfds
from pptp_jax.study import load_study

study = replace(
    load_study(Path(__file__).with_name("cifar10_resnet8_readings.py")),
    name="fashion_mnist_resnet8_readings",
    data=Shrunk(Tfds("fashion_mnist")),
    examples=2000,
)
