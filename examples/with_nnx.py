"""Compares two recipes on a Flax NNX network; with `pptp run examples/with_nnx.py`, in a report."""

from pathlib import Path

import jax
from flax import nnx

from pptp_jax.data import Balanced, Digits
from pptp_jax.models import from_nnx
from pptp_jax.study import Study, run
from pptp_jax.training import freeze, undefended


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.stem = nnx.Linear(64, 32, rngs=rngs)
        self.norm = nnx.BatchNorm(32, rngs=rngs)
        self.drop = nnx.Dropout(0.1, rngs=rngs)
        self.head = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.norm(self.stem(x.reshape(len(x), -1)))
        return self.head(self.drop(nnx.relu(x)))


study = Study(
    name="nnx",
    data=Digits(),
    model=from_nnx(Net, blocks=("stem", "norm", "head")),  # blocks: what a recipe can protect
    split=Balanced(models=8),
    examples=400,
    batch_size=50,
    recipes=(undefended(epochs=8), freeze("stem", after=2, more=6)),
    attacks=("lira_online", "rmia_online"),
    resamples=100,
)

if __name__ == "__main__":
    for row in run(study, Path("runs/nnx"))["rows"]:
        print(row["recipe"], {name: found["auc"] for name, found in row["attacks"].items()})
