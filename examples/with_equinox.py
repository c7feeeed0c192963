"""Trains a fleet of Equinox networks and attacks each by the others: the AUC of LiRA."""

import equinox as eqx
import jax

from pptp_jax.data import Arrays, Balanced, Digits
from pptp_jax.evaluation import attack
from pptp_jax.models import from_equinox
from pptp_jax.signals import collect
from pptp_jax.training import train_fleet, undefended


class Net(eqx.Module):
    stem: eqx.nn.Linear
    head: eqx.nn.Linear

    def __init__(self, key: jax.Array):
        first, last = jax.random.split(key)
        self.stem = eqx.nn.Linear(64, 32, key=first)
        self.head = eqx.nn.Linear(32, 10, key=last)

    def __call__(self, x: jax.Array) -> jax.Array:  # one example, as is usual in Equinox
        return self.head(jax.nn.relu(self.stem(x.reshape(-1))))


model = from_equinox(Net, blocks=("stem", "head"))
data = Arrays.of(Digits().load(examples=400))
split = Balanced(models=8).draw(400, seed=0)  # each example is a member of four models

if __name__ == "__main__":
    [fleet] = train_fleet(model, undefended(epochs=20), data, split.members, batch_size=50)
    signals = jax.lax.map(
        lambda own: collect(model.answering(own), data, task=model.task), fleet.variables
    )
    print(attack(signals, split, data.y, attacks=["lira_online"]))
