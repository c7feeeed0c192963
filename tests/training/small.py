"""A fleet of two tiny networks, what it was after each epoch, and a naive loop as its twin."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.data import Arrays, Digits
from pptp_jax.models import Model, Variables, mlp
from pptp_jax.objectives import Context, RelaxLoss, TaskLoss
from pptp_jax.training import Execution, Recipe, train_fleet

MODEL = mlp([6, 5], num_classes=10)
DATA = Arrays.of(Digits().load(lambda n: np.arange(120)), reference=np.arange(80, 120))
INDICES = np.stack([np.arange(0, 40), np.arange(40, 80)])
BATCH = 20
RELAX = RelaxLoss(alpha=1.0)
CE = TaskLoss()


def own_key(model: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(0), model)


def initial(i: int, model: Model = MODEL) -> Variables:
    return model.init(jax.random.fold_in(own_key(i), 0), DATA.inputs(slice(0, 1)))


def watched(recipe: Recipe, model: Model = MODEL, **options: Any) -> dict[int, Variables]:
    """The two networks after each epoch, as copies, by the number of epochs behind them."""
    seen: dict[int, Variables] = {}

    def observe(group: tuple[int, ...], epochs: int, variables: Variables) -> None:
        seen[epochs] = jax.tree.map(np.array, variables)

    given = {"batch_size": BATCH, **options}
    execution = Execution(groups=[(0, 1)], on_epoch=observe)
    [trained] = train_fleet(model, recipe, DATA, INDICES, execution=execution, **given)
    assert trained.finite.all()
    jax.tree.map(np.testing.assert_array_equal, seen[max(seen)], trained.variables)
    return seen


def of(variables: Variables, i: int) -> Any:
    """The parameters of one network of a fleet."""
    return jax.tree.map(lambda leaf: leaf[i], variables.params)


@jax.jit
def slope(objective: Any, params: Any, rows: Any, soft: Any, epoch: Any) -> Any:
    """The gradient of an objective for all parameters."""

    def loss(params: Any) -> Any:
        logits, _ = MODEL.apply(params, {}, DATA.inputs(rows), train=True, key=None)
        return objective(logits, DATA.y[rows], Context(epoch=epoch, teacher=soft))

    return jax.grad(loss)(params)


def descend(
    params: Any,
    gradient: Callable[[Any, np.ndarray, int], Any],
    examples: int,
    key: jax.Array,
    epochs: int,
    begun: int = 0,
) -> Any:
    """SGD of rate .1 and momentum .9 on a cosine schedule, one batch of places at a time."""
    steps = examples // BATCH
    velocity = jax.tree.map(np.zeros_like, params)
    for epoch in range(epochs):
        shuffle, _ = jax.random.split(jax.random.fold_in(key, begun + epoch + 1))
        order = np.asarray(jax.random.permutation(shuffle, examples))
        for step in range(steps):
            done = (epoch * steps + step) / (epochs * steps)
            rate = np.float32(0.05 * (1 + np.cos(np.pi * done)))
            grads = gradient(params, order[step * BATCH : (step + 1) * BATCH], epoch)
            velocity = jax.tree.map(
                lambda v, g: np.float32(0.9) * v + np.asarray(g), velocity, grads
            )
            params = jax.tree.map(lambda p, v, r=rate: p - r * v, params, velocity)
    return params


def softmax(params: Any, rows: Sequence[int]) -> np.ndarray:
    """A network's answers, one example at a time."""
    logits = [
        MODEL.apply(params, {}, DATA.inputs(jnp.array([r])), train=False, key=None)[0][0]
        for r in rows
    ]
    powers = np.exp(np.stack(logits) - np.max(logits, axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
