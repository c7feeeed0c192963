r"""How long does one ResNet-9 take to 93 % on CIFAR-10? All training images, in bfloat16.

    python experiments/cifar10_fast.py DIR                       # where TFDS has prepared cifar10
    python experiments/cifar10_fast.py PART.npz [PART.npz ...]   # where there is no TFDS

It learns 50,000 images; the last 10,000, those of the test split, are nobody's members. Printed are
the seconds of compilation, then the seconds of training and the accuracy of each model.

The recipe is Page's for this network: 2×2 max-pooling, batches of 512, SGD with Nesterov's
momentum, a rate that rises to .4 over the first fifth of the training and falls to 0, both
linearly, weight decay 5e-4, flips, shifts and cutout; label smoothing is that of his later part. He
reports 94 % after 24 epochs and 79 s on a V100, a GPU of 2017.

**No GPU has run this file.** 15 epochs of 50,000 images at 2.3 GFLOP each are 1.7e15 FLOP: 57 s at
30 TFLOP/s, 21 s at the 80 that batches of 512 should reach on an H100. In miniature it learned in
34 s of a CPU, compilation included (test accuracy .264 after 30 steps, by chance .1):

    python experiments/cifar10_fast.py DIR --width 8 --examples 2000 --test 1000 --epochs 2 \
        --batch-size 128

A machine without TFDS gets the 60,000 images in five parts, in order:

    for i in 0 1 2 3 4; do python benchmarks/accelerator_data.py --data DIR \
        --splits train test --first $((12000 * i)) --out part$i.npz; done

References:
    Page, "How to Train Your ResNet", 2018, https://myrtle.ai/learn/how-to-train-your-resnet (parts
    4 and 8).
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int

from pptp_jax.data import Arrays, Augmentation, Dataset, Npz, Tfds
from pptp_jax.models import in_precision, resnet9, standardized
from pptp_jax.objectives import LabelSmoothing
from pptp_jax.signals import collect, utility
from pptp_jax.training import make_train, whole_network

PEAK, RISING = 0.4, 0.2  # at batches of 512; the share of the training in which the rate rises


def images(places: Sequence[Path], examples: int, test: int) -> Dataset:
    """The first images to learn, and behind them the last ones to test."""

    def rows(count: int) -> Int[np.ndarray, " examples"]:
        if examples + test > count:
            raise SystemExit(f"there are {count:,} images, fewer than {examples + test:,}")
        return np.r_[:examples, count - test : count]

    if places[0].is_dir():
        return Tfds("cifar10", splits=("train", "test"), data_dir=str(places[0])).load(rows)
    parts = [Npz(place, num_classes=10).load() for place in places]
    x, y = (np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y"))
    kept = rows(len(y))
    return Dataset("parts", x[kept], y[kept], np.arange(len(kept)).astype(str), 10, parts[0].scale)


def one_cycle(peak: float) -> Callable[[int | Array], optax.GradientTransformation]:
    """SGD whose rate rises and falls once over the steps that it is given."""

    def optimizer(steps: int | Array) -> optax.GradientTransformation:
        def rate(count: Array) -> Array:
            ends = jnp.array([0.0, RISING, 1.0])
            return jnp.interp(count / steps, ends, jnp.array([0.0, peak, 0.0]))

        sgd = optax.sgd(rate, momentum=0.9, nesterov=True)
        return optax.chain(optax.add_decayed_weights(5e-4), sgd)

    return optimizer


def main() -> None:
    """Trains one model after another."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="+", type=Path, help="DIR of TFDS, or parts as .npz")
    for name, default, what in (
        ("examples", 50_000, "images to learn"),
        ("test", 10_000, "images to test, the last ones"),
        ("epochs", 15, "epochs"),
        ("width", 64, "channels of the stem"),
        ("batch-size", 512, "images in a step; the rate goes with it"),
        ("models", 1, "how many models, each from values of its own"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what}; {default:,}")
    parser.add_argument("--precision", default="bfloat16", help="or tensorfloat32 or float32")
    options = parser.parse_args()
    data = images(options.data, options.examples, options.test)
    learned = data.inputs()[: options.examples]
    mean, deviation = learned.mean(axis=(0, 1, 2)), learned.std(axis=(0, 1, 2))
    network = standardized(resnet9(10, options.width), mean.tolist(), deviation.tolist())
    model = in_precision(network, options.precision)
    arrays = Arrays.of(data, augmentation=Augmentation(flip=True, shift=4, cutout=8))
    tested = arrays._replace(x=arrays.x[options.examples :], y=arrays.y[options.examples :])
    members, keys = (
        jnp.arange(options.examples),
        jax.random.split(jax.random.key(0), options.models),
    )
    train = make_train(
        model,
        whole_network(LabelSmoothing(smoothing=0.2), options.epochs),
        one_cycle(PEAK * options.batch_size / 512),
        batch_size=options.batch_size,
    )
    begun = time.perf_counter()
    program = jax.jit(train).lower(keys[0], arrays, members).compile()
    device = jax.devices()[0].device_kind
    print(f"compiled in {time.perf_counter() - begun:.1f} s on {device}", flush=True)
    for key in keys:
        begun = time.perf_counter()
        variables, metrics = jax.block_until_ready(program(key, arrays, members))
        seconds = time.perf_counter() - begun
        answers, asked = model.answering(variables), [utility(model.task)]
        right = collect(answers, tested, task=model.task, signals=asked)["utility"]
        print(
            f"{options.epochs} epochs in {seconds:.1f} s, "
            f"{options.epochs * options.examples / seconds:,.0f} images a second; loss "
            f"{metrics.loss[-1]:.3f}, test accuracy {right.mean():.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
