"""Compute the signals of a model from its outputs."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Shaped

from pptp_jax.data import Arrays
from pptp_jax.models import full_float32
from pptp_jax.release import Release
from pptp_jax.signals.queries import IDENTITY, Query, check_queries
from pptp_jax.tasks import Signal, Task

# The single numbers of answers that are held at once: a score for each of many tokens is large.
_NUMBERS_AT_ONCE = 2**25


def utility(task: Task) -> Signal:
    """The utility of a model's answer on each example as it is, as a signal.

    Args:
        task: what the model is for.

    Examples:
        >>> from pptp_jax.tasks import Regression
        >>> answers, target = jnp.array([[2.0], [5.0]]), jnp.array(1.0)  # a row a query
        >>> print(utility(Regression()).reduce(answers, target))  # the squared error of the first
        1.0
    """

    def reduce(answers: Any, targets: Array) -> Shaped[Array, ""]:
        first = jax.tree.map(lambda leaf: leaf[:1], answers)
        return task.utility(first, jax.tree.map(lambda leaf: leaf[None], targets))[0]

    axes = ("models", "examples")
    return Signal(name="utility", axes=axes, access="labels", at="stops", reduce=reduce)


@full_float32
def collect(
    answers: Callable[..., Any],
    data: Arrays,
    *,
    task: Task,
    signals: Sequence[Signal] | None = None,
    queries: tuple[Query, ...] = (IDENTITY,),
    release: Release | None = None,
    key: Key[Array, ""] | None = None,
    batch_size: int = 500,
) -> dict[str, Shaped[Array, "..."]]:
    """The signals of one model on every example, whatever library it is of.

    Args:
        answers: makes the model's outputs of a batch of inputs, in eval mode: no dropout, no
            batch's norm; of inputs and targets, if the task is `conditional`. Of a `Model` it is
            `model.answering(variables)`.
        data: the examples.
        task: what the model is for, such as `Classification()`.
        signals: which; those that are not reduced from answers are left out. None takes those of
            the task; `utility(task)` is another.
        queries: the queries for each of them, such as mirrored images.
        release: what the model answers in place of its outputs; None releases them.
        key: what the release draws from; needed with one.
        batch_size: how many answers are computed at once, fewer where they are large; bounds
            memory alone.

    Returns:
        Each signal by its name, with its axes behind `models`.

    Raises:
        ValueError: if the first query is not the identity, or the examples are no images and a
            query needs them.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.signals import FLIP
        >>> digits, model = Arrays.of(Digits().load()), mlp([8], num_classes=10)
        >>> variables = model.init(jax.random.key(0), digits.inputs(slice(0, 1)))
        >>> signals = collect(
        ...     model.answering(variables), digits, task=model.task, queries=(IDENTITY, FLIP)
        ... )
        >>> {name: array.shape for name, array in signals.items()}
        {'confidence': (2, 1797), 'correct': ..., 'logits': (2, 1797, 10)}
    """
    check_queries(queries, data.x.shape[1:])
    chosen = task.signals if signals is None else signals
    reduced = {signal.name: signal for signal in chosen if signal.reduce is not None}

    def one(row: Int[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        x, targets = data.inputs(row)[None], data.targets(row)
        x = jnp.concatenate([query(x) for query in queries])
        own = answers
        if task.conditional:
            own = partial(answers, targets=jnp.broadcast_to(targets, (len(x), *targets.shape)))
        outputs = own(x)
        if release is not None:
            assert key is not None
            outputs = release(own, x, outputs, jax.random.fold_in(key, row))
        given = task.answers(outputs)
        return {name: own.reduce(given, targets) for name, own in reduced.items() if own.reduce}

    rows = jnp.zeros(len(queries), int)
    seen = (data.targets(rows),) if task.conditional else ()
    answer = jax.eval_shape(answers, data.batch_shape(len(queries)), *seen)
    numbers = sum(leaf.size for leaf in jax.tree.leaves(answer))
    at_once = max(1, min(batch_size // len(queries), _NUMBERS_AT_ONCE // numbers))
    found = jax.lax.map(one, jnp.arange(data.examples), batch_size=at_once)
    return {
        name: jnp.moveaxis(found[name], 0, own.examples_axis - 1) for name, own in reduced.items()
    }
