"""What a model is to everything above it: two pure functions and the order of its blocks."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax

from pptp_jax.regions import Block
from pptp_jax.tasks import Classification, Task

# Whether a network is in training mode, or the names of the blocks that are.
Mode = bool | tuple[str, ...]


class Variables(NamedTuple):
    """A trained model: what the optimiser changes, and what it does not.

    Attributes:
        params: the parameters.
        state: running statistics and the like; an empty dict where there are none.
    """

    params: Any
    state: Any


@dataclass(frozen=True, eq=False)
class Model:
    """Two pure functions, and the names of the parts that regions are made of.

    Attributes:
        init: `init(key, x) -> Variables`, for a batch `x` of shape (batch, *example).
        apply: `apply(params, state, x, *, train, key) -> (outputs, state)`; in classification
            outputs are logits of shape (batch, classes). `train` is True, False, or the names of
            the blocks that are in training mode: in the others batch norm uses its running
            statistics and leaves them alone, and nothing is dropped. All names are as good as
            True. A tuple of names is true, so a model that only asks whether it trains works on
            and trains as a whole. With `train=False` the model is deterministic, gets `key=None`,
            and returns the state that it was given.
        blocks: the architectural units in forward order; needed only for region presets and for a
            training mode of part of the network.
        config: what the model is, as plain data, for the record; of our own models the name of the
            function that builds them, and its arguments.
        statistics: `statistics(params, state, x) -> state`, the state with the running statistics
            that the batch `x` alone would give; None where no state depends on the inputs. See
            `recompute_statistics`.
        features: `features(params, state, x) -> tuple`, what each block makes of the batch `x` in
            eval mode, in the order of the blocks; None where nobody can look inside.
        task: what the model is for: its loss, what it answers, and what attacks read of it.

    Examples:
        A linear model from nothing but two functions:

        >>> import jax.numpy as jnp
        >>> model = Model(
        ...     init=lambda key, x: Variables({"w": jnp.zeros((x.shape[1], 3))}, {}),
        ...     apply=lambda params, state, x, *, train, key: (x @ params["w"], state),
        ... )
        >>> params, state = model.init(None, jnp.ones((1, 2)))
        >>> logits, _ = model.apply(params, state, jnp.ones((5, 2)), train=False, key=None)
        >>> logits.shape
        (5, 3)
    """

    init: Callable[..., Variables]
    apply: Callable[..., tuple[Any, Any]]
    blocks: tuple[Block, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    statistics: Callable[[Any, Any, Any], Any] | None = None
    features: Callable[[Any, Any, Any], tuple[Any, ...]] | None = None
    task: Task = Classification()  # noqa: RUF009 - frozen

    def shapes(self, x: Any) -> Variables:
        """The shapes of the parameters and the state; nothing is computed.

        Args:
            x: a batch of inputs, or its shape.
        """
        return jax.eval_shape(self.init, jax.eval_shape(lambda: jax.random.key(0)), x)


def learns(train: Mode, block: str) -> bool:
    """Whether a block is in training mode, for models that can train in part.

    Args:
        train: what `Model.apply` was given.
        block: the block's name.

    Examples:
        >>> learns(True, "stem"), learns(("stage1", "head"), "stem")
        (True, False)
    """
    return train if isinstance(train, bool) else block in train


def configs(model: Model) -> Iterator[Mapping[str, Any]]:
    """The record of a model, and those of the models that it wraps.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> [config["name"] for config in configs(mlp([8], num_classes=2))]
        ['mlp']
    """
    config: Any = model.config
    while isinstance(config, Mapping):
        yield config
        config = config.get("model")
