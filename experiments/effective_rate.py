"""What weight decay does to the effective learning rate of each stage of a ResNet-8.

Command: `python experiments/effective_rate.py DIR`, with the directory in which TFDS has prepared
`cifar10`. One network of 2,000 members at each of three decays, at a constant rate of .1. The
table: by which angle a step turns the kernels of a block, in milliradians, the mean over an epoch;
beside it √(2ηλ / (1 + m)), what equilibrium predicts for kernels behind a batch norm. The head has
none behind it.
"""

import math
import sys
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pptp_jax.data import Arrays, Augmentation, Shrunk, Tfds, sample
from pptp_jax.models import resnet8, standardized
from pptp_jax.regions import RegionMap, angular_update
from pptp_jax.training import SGD

RATE, MOMENTUM, BATCH, MEMBERS = 0.1, 0.9, 64, 2000
EPOCHS, SHOWN, DECAYS = 30, (2, 10, 30), (0.0005, 0.002, 0.005)


def main() -> None:
    """Trains, and prints a row for each decay and epoch."""
    source = Shrunk(Tfds("cifar10", data_dir=sys.argv[1]))
    data = source.load(partial(sample, examples=MEMBERS, multiple=2, seed=0))
    seen = data.inputs()
    mean, deviation = seen.mean(axis=(0, 1, 2)), seen.std(axis=(0, 1, 2))
    model = standardized(resnet8(num_classes=10), mean.tolist(), deviation.tolist())
    arrays = Arrays.of(data, augmentation=Augmentation(flip=True, shift=1))
    blocks = RegionMap.from_rules([(block, block.name) for block in model.blocks])

    def step(tx: optax.GradientTransformation, carried: Any, drawn: Any) -> tuple[Any, Any]:
        variables, opt_state = carried
        rows, key = drawn
        x, y = arrays.training_inputs(key, rows), arrays.targets(rows)

        def loss(params: Any) -> Any:
            logits, state = model.apply(params, variables.state, x, train=True, key=None)
            return optax.losses.softmax_cross_entropy_with_integer_labels(logits, y).mean(), state

        grads, state = jax.grad(loss, has_aux=True)(variables.params)
        updates, opt_state = tx.update(grads, opt_state, variables.params)
        params = optax.apply_updates(variables.params, updates)
        turned = angular_update(blocks, variables.params, params)
        return (variables._replace(params=params, state=state), opt_state), turned

    @jax.jit
    def epoch(optimizer: SGD, carried: Any, key: Any) -> Any:
        shuffle, augment = jax.random.split(key)
        order = jax.random.permutation(shuffle, MEMBERS)[: MEMBERS // BATCH * BATCH]
        rows = order.reshape(-1, BATCH)
        keys = jax.random.split(augment, len(rows))
        return jax.lax.scan(partial(step, optimizer(1)), carried, (rows, keys))

    print(f"{'decay':<8}{'epoch':<8}{'':<4}" + "".join(f"{b.name:>9}" for b in model.blocks))
    for decay in DECAYS:
        optimizer = SGD(
            learning_rate=RATE, momentum=MOMENTUM, weight_decay=decay, schedule="constant"
        )
        key = jax.random.key(0)
        variables = jax.jit(model.init)(key, arrays.inputs(slice(0, 1)))
        carried = variables, optimizer(1).init(variables.params)
        for number in range(1, EPOCHS + 1):
            carried, turned = epoch(optimizer, carried, jax.random.fold_in(key, number))
            if number in SHOWN:
                angles = [1000 * float(jnp.mean(turned[block.name])) for block in model.blocks]
                print(f"{decay:<8g}{number:<8}{'':<4}" + "".join(f"{a:>9.1f}" for a in angles))
        print(f"{'':<8}predicted{1000 * math.sqrt(2 * RATE * decay / (1 + MOMENTUM)):>12.1f}")


if __name__ == "__main__":
    main()
