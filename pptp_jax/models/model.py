"""The class `Model`: two pure functions and the order of its blocks."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax

from pptp_jax.models.products import Precision, full_float32
from pptp_jax.regions import Block
from pptp_jax.tasks import Batch, Classification, Task

# Whether a network is in training mode, or the names of the blocks that are.
Mode = bool | tuple[str, ...]

# The fields of a model that are given its shared weights, and those that two models of one compiled
# program have in common besides.
_FUNCTIONS = ("init", "apply", "statistics", "features", "sample")
_STATIC = ("blocks", "parts", "task", "precision", "public", "sees_rows")


class Variables(NamedTuple):
    """The variables of a model: parameters, which the optimiser changes, and state.

    Attributes:
        params: the parameters.
        state: running statistics and the like; an empty dict where there are none.
    """

    params: Any
    state: Any


@dataclass(frozen=True, eq=False)
class _Bound:
    """A function of a model, called with the weights that all models of a fleet share.

    A caller's own `shared` comes first, so that a function that wraps this one can pass it on.
    """

    function: Callable[..., Any]
    shared: Any

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self.function(*args, **{"shared": self.shared, **named})


@dataclass(frozen=True)
class _Static:
    """A model without its arrays. Equal ones give the same compiled programs."""

    parts: tuple[Any, ...]
    config: Mapping[str, Any] = field(compare=False)


@jax.tree_util.register_pytree_node_class
@dataclass(frozen=True, eq=False)
class Model:
    """A model: two pure functions, and its blocks, which regions are made of.

    A pytree whose leaves are its shared weights, so that a compiled program takes them as an
    argument, once for an entire fleet.

    Attributes:
        init: `init(key, x) -> Variables`, for a batch `x` of shape (batch, *example).
        apply: `apply(params, state, x, *, train, key) -> (outputs, state)`; in classification
            outputs are logits of shape (batch, classes). `train` is True, False, or the names of
            the blocks that are in training mode: in the others batch norm uses its running
            statistics and leaves them alone, and nothing is dropped. All names are as good as
            True. A tuple of names is true, so a model that only asks whether it trains works on
            and trains as one. With `train=False` the model is deterministic, gets `key=None`,
            and returns the state that it was given.
        blocks: the architectural units in forward order; needed only for region presets and for a
            training mode of part of the network.
        parts: what else regions may name, such as a sublayer of all blocks (`mlp`): a word and the
            pattern of its parameters' paths. They may overlap with each other and with blocks.
        config: what the model is, as plain data, for the record; of our own models the name of the
            function that builds them, and its arguments.
        statistics: `statistics(params, state, x) -> state`, the state with the running statistics
            that the batch `x` alone would give; None where no state depends on the inputs. See
            `recompute_statistics`.
        features: `features(params, state, x) -> tuple`, the output of each block for the batch `x`
            in eval mode, in the order of the blocks; None if they are not accessible.
        sample: `sample(params, state, key, labels) -> inputs`, a sample of the model for each of
            the labels (count,), of shape (count, *example); None for models that are not
            generative. An unconditional model takes the number of labels alone.
        task: the kind of model: its loss, its outputs, and the signals that attacks read.
        shared: weights that all models of a fleet share and no training changes, such as
            the base of LoRA adapters. Where there are any, the functions above take them as the
            keyword `shared`, which `Model` itself passes: callers leave it out. They are in no
            `Variables` and in no checkpoint; a fleet's fingerprint depends on their content.
        precision: that in which it trains, as `in_precision` has set it.
        public: whether no private example went into the shared weights; None if unknown, and then
            no private training on top of them has an ε.
        sees_rows: whether `apply` takes the keyword `rows` where it trains: the row of the data at
            which each example of the batch stands, the same in every epoch. Other models never get
            it.

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

        An adapter of rank 1 on a base that all models share:

        >>> adapted = Model(
        ...     init=lambda key, x, *, shared: Variables({"a": jnp.ones((2, 1))}, {}),
        ...     apply=lambda params, state, x, *, train, key, shared: (
        ...         x @ (shared["w"] + params["a"]), state
        ...     ),
        ...     shared={"w": jnp.zeros((2, 3))},
        ... )
        >>> params, state = adapted.init(None, jnp.ones((1, 2)))
        >>> adapted.apply(params, state, jnp.ones((5, 2)), train=False, key=None)[0].shape
        (5, 3)
        >>> [leaf.shape for leaf in jax.tree.leaves(adapted)]
        [(2, 3)]
    """

    init: Callable[..., Variables]
    apply: Callable[..., tuple[Any, Any]]
    blocks: tuple[Block, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    statistics: Callable[[Any, Any, Any], Any] | None = None
    features: Callable[[Any, Any, Any], tuple[Any, ...]] | None = None
    sample: Callable[[Any, Any, Any, Any], Any] | None = None
    task: Task = Classification()  # noqa: RUF009 - frozen
    shared: Any = ()
    precision: Precision = "float32"
    parts: tuple[Block, ...] = ()
    public: bool | None = None
    sees_rows: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.shared, tuple) and not self.shared:
            return
        for name in _FUNCTIONS:
            function = _bare(getattr(self, name))
            if function is not None:
                object.__setattr__(self, name, _Bound(function, self.shared))

    def tree_flatten(self) -> tuple[tuple[Any], _Static]:
        """The shared weights, and the rest."""
        functions = tuple(_bare(getattr(self, name)) for name in _FUNCTIONS)
        others = tuple(getattr(self, name) for name in _STATIC)
        return (self.shared,), _Static((*functions, *others), self.config)

    @classmethod
    def tree_unflatten(cls, static: _Static, shared: tuple[Any]) -> "Model":
        """The model with other shared weights: the traced ones of a program, say."""
        named = dict(zip((*_FUNCTIONS, *_STATIC), static.parts, strict=True))
        return cls(**named, config=static.config, shared=shared[0])

    def named_rows(self, rows: Any) -> dict[str, Any]:
        """The additional arguments of `apply` in training on the examples at these rows.

        Args:
            rows: where the examples stand in the data.
        """
        return {"rows": rows} if self.sees_rows else {}

    def answering(self, variables: Variables) -> Callable[..., Any]:
        """The function from a batch of inputs to outputs that trained variables make, in eval mode.

        It takes the targets, too, for the networks of a `conditional` task. In full float32, on any
        device and whatever the precision of training.

        Args:
            variables: the parameters and the state.
        """

        @full_float32
        def answers(x: Any, targets: Any = None) -> Any:
            batch = Batch(x, targets)
            outputs, _ = self.task.outputs(self, variables, batch, train=False, key=None)
            return outputs

        return answers

    def shapes(self, x: Any) -> Variables:
        """The shapes of the parameters and the state; nothing is computed.

        Args:
            x: a batch of inputs, or its shape.
        """
        return jax.eval_shape(self.init, jax.eval_shape(lambda: jax.random.key(0)), x)


def _bare(function: Any) -> Any:
    """A function of a model as it was given."""
    return function.function if isinstance(function, _Bound) else function


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
