"""What tests/training/test_chip_program.py runs in a process of its own, with jax as users have it.

The tests' own settings of XLA would reach the TPU's compiler, too.
"""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.data import Arrays, Digits
from pptp_jax.models import from_linen, mlp
from pptp_jax.training import SGD, Trainer, undefended
from pptp_jax.training.chip_program import FleetShape, analysed, compiled, lowered_programs
from pptp_jax.training.topology import ChipStrategy, chip_memory, topology

MODELS, MEMBERS, BATCH = 8, 128, 32
WIDTH = 128


class ByPlatform(nn.Module):
    """A native convolution, but on CPUs."""

    @nn.compact
    def __call__(self, x, *, train):
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (3, 3, x.shape[-1], 8))

        def native(x, kernel):
            layout = ("NHWC", "HWIO", "NHWC")
            return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)

        def on_cpu(x, kernel):
            return x @ kernel[1, 1]

        made = jax.lax.platform_dependent(x, kernel, cpu=on_cpu, default=native)
        return nn.Dense(10, name="head")(nn.relu(made).mean(axis=(1, 2)))


def epoch(model, strategy, models=MODELS):
    fleet = FleetShape(
        trainer=Trainer(model, None, BATCH),
        recipe=undefended(1),
        optimizer=SGD(),
        data=Arrays.of(Digits().load()),
        members=MEMBERS,
    )
    [phase] = lowered_programs(fleet, strategy, models)
    return analysed(compiled(phase.epoch))


def place(tree, pod):
    one = jax.sharding.SingleDeviceSharding(pod.chips[0])
    return jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=one), tree)


def main() -> None:
    jax.devices()  # a process that has used its own devices before
    pod = topology("v5e:2x2")
    chips = {"chips": pod.chips}
    square = place(jax.ShapeDtypeStruct((WIDTH, WIDTH), np.float32), pod)
    product = analysed(compiled(jax.jit(jnp.dot).lower(square, square)))
    network = mlp([16], num_classes=10)
    fleets = {
        order: epoch(network, ChipStrategy(order=order, devices=4, **chips))
        for order in ("vmap", "scan")
    }
    shared = epoch(network, ChipStrategy(order="scan", data_devices=4, **chips), models=1)
    conv = from_linen(ByPlatform(), ["head"])
    alone = epoch(conv, ChipStrategy(order="vmap", **chips), models=1)
    print(
        json.dumps(
            {
                "memory": chip_memory(pod),
                "product": [product.operations, product.bytes],
                "fleets": {order: sum(one.collectives.values()) for order, one in fleets.items()},
                "arguments": {order: one.arguments for order, one in fleets.items()},
                "shared": dict(shared.collectives),
                "convolutions": [alone.convolutions, fleets["vmap"].convolutions],
            }
        )
    )


if __name__ == "__main__":
    main()
