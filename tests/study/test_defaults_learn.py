"""Every network that we build learns by default, on images, colour images and tables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Model, cnn, from_linen, mlp, vit
from pptp_jax.models.resnet import ResNet
from pptp_jax.models.vgg import VGG
from pptp_jax.models.wide_resnet import WideResNet
from pptp_jax.study import in_units_of
from pptp_jax.training import DEFAULT_OPTIMIZER, make_train, undefended

CLASSES, EXAMPLES, BATCH, EPOCHS = 5, 320, 32, 5
LABELS = np.arange(EXAMPLES) % CLASSES


def images(channels: int, scale: float) -> Dataset:
    """Bytes: a coarse pattern for each class, dimmed at random, under noise."""
    rng = np.random.default_rng(0)
    patterns = np.kron(rng.random((CLASSES, 4, 4, channels)), np.ones((1, 4, 4, 1)))
    dimmed = 180 * patterns[LABELS] * rng.uniform(0.5, 1, (EXAMPLES, 1, 1, 1))
    x = (dimmed + rng.normal(30, 25, dimmed.shape)).clip(0, 255).astype(np.uint8)
    return Dataset("images", x, LABELS, np.arange(EXAMPLES), CLASSES, scale)


def table() -> Dataset:
    """Columns in units that have nothing to do with each other, one of them constant."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLASSES, 12))
    x = (centres[LABELS] + 0.5 * rng.normal(size=(EXAMPLES, 12))) * np.logspace(-4, 5, 12)
    x[:, 3], x[:, 5] = 7.0, x[:, 5] + 1.6e9
    return Dataset("table", x, LABELS, np.arange(EXAMPLES), CLASSES)


DATA = {
    "grey": images(1, 1 / 255),
    "grey, as bytes": images(1, 1.0),
    "colour": images(3, 1 / 255),
    "colour, as bytes": images(3, 1.0),
    "table": table(),
}
MODELS = {
    "mlp tanh": mlp([64, 32], CLASSES),
    "mlp relu": mlp([64, 32], CLASSES, activation="relu"),
    "cnn": cnn([8, 16], dense=64, num_classes=CLASSES),
    "cnn batch": cnn([8, 16], dense=32, num_classes=CLASSES, norm="batch"),
    "cnn group": cnn([8, 16], dense=32, num_classes=CLASSES, norm="group"),
    "resnet": from_linen(ResNet((8, 16), 1, CLASSES, "batch")),
    "vgg": from_linen(VGG(((8,), (16, 16)), CLASSES, "batch")),
    "wide resnet": from_linen(WideResNet(8, (8, 16), 1, CLASSES, "batch", 0.0)),
    "vit": vit(CLASSES, width=32, depths=(1, 1), heads=2, mlp=64),
}
CASES = [
    *((name, data) for name in ("mlp tanh", "mlp relu") for data in ("grey, as bytes", "table")),
    *(("cnn", data) for data in ("grey", "grey, as bytes", "colour, as bytes")),
    *((name, "colour") for name in list(MODELS)[2:]),
    ("vit", "colour, as bytes"),
]


def accuracy(model: Model, data: Dataset) -> float:
    """On what it trained on."""
    arrays = Arrays.of(data)
    train = jax.jit(make_train(model, undefended(EPOCHS), DEFAULT_OPTIMIZER, batch_size=BATCH))
    variables, metrics = train(jax.random.key(0), arrays, jnp.arange(EXAMPLES))
    assert metrics.finite
    logits, _ = model.apply(*variables, arrays.inputs(slice(None)), train=False, key=None)
    return float((logits.argmax(axis=-1) == arrays.y).mean())


@pytest.mark.parametrize(("name", "data"), CASES)
def test_a_network_learns_by_default(name: str, data: str) -> None:
    model = in_units_of(MODELS[name], DATA[data], standardize=None)
    assert accuracy(model, DATA[data]) > 3 / CLASSES


def test_a_table_in_its_own_units_is_not_learned() -> None:
    """So it is the units that the default takes care of."""
    assert accuracy(MODELS["mlp tanh"], DATA["table"]) < 0.5
