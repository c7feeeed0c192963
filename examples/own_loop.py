"""Runs a training loop of your own as a fleet of 16 networks: the AUC of LiRA and RMIA."""

import jax
import optax
from flax import nnx

from pptp_jax import evaluation, fleets, regions, signals, tasks, training
from pptp_jax.data import Arrays, Balanced, Digits

data, split = Arrays.of(Digits().load(examples=400)), Balanced(models=16).draw(400, seed=0)
parts = regions.RegionMap.from_rules([("layers/1/.*", "protect"), (".*", "general")])
phases = training.freeze(after=2, more=8).transforms(optax.adam(1e-2), parts)


def loss(model, batch):
    logits, labels = model(data.inputs(batch)), data.targets(batch)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


@nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
def learn(carry, batch):
    model, optimizer = carry
    optimizer.update(model, nnx.grad(loss)(model, batch))
    return carry


def train(key, rows):  # from a model's key and its members to whatever you want to know of it
    first, last = nnx.Linear(64, 32, rngs=nnx.Rngs(key)), nnx.Linear(32, 10, rngs=nnx.Rngs(key))
    model = nnx.Sequential(lambda x: x.reshape(len(x), -1), first, nnx.relu, last)
    for epochs, tx, _ in phases:
        batches = jax.random.permutation(key, jax.numpy.tile(rows, epochs)).reshape(-1, 50)
        model, _ = learn((model, nnx.Optimizer(model, tx, wrt=nnx.Param)), batches)
    return signals.collect(model, data, task=tasks.Classification())


if __name__ == "__main__":
    found = fleets.fleet(train, split.members, keys=jax.random.split(jax.random.key(0), 16))
    print(evaluation.attack(found, split, data.y, attacks=("lira_online", "rmia_online")))
