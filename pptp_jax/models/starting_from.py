"""A model whose training starts from given values, such as pre-trained ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.models.model import Model, Variables
from pptp_jax.models.weights import belongs, checksum, named, read_variables
from pptp_jax.validation import Refused, one_of, several

# An error lists this number of names of a kind.
_LISTED = 3


def starting_from(
    model: Model, start: Variables | str | PathLike[str], fresh: Sequence[str] = ()
) -> Model:
    """The same model, whose initial values are given ones.

    These values replace the initial ones everywhere: training begins with them, and regions are
    rewound to them. All models of a fleet share them. Their checksum is part of the model's record,
    so a study with other values is another study.

    Weights from elsewhere may be poisoned: their author can prepare them so that the trained model
    leaks more of your members (docs/findings.md).

    Args:
        model: the model.
        start: the values; or a `.npz` file of `save_variables`, with names such as
            `params/stem/kernel`; or a directory in which Orbax has saved a tree of such names, as
            Linen's variables are.
        fresh: blocks that start at random all the same, such as a head for other classes; what is
            given for them is not looked at.

    Returns:
        The model. Its `init` raises a ValueError if the values do not fit it, which a study asks
        before it trains.

    Raises:
        ValueError: if there is no such file, a value is not finite, or a block is unknown.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> model, x = mlp([4], num_classes=2), jnp.ones((1, 3))
        >>> trained = model.init(jax.random.key(7), x)
        >>> tuned = starting_from(model, trained)
        >>> bool((tuned.init(jax.random.key(0), x).params["stem"]["kernel"]
        ...     == trained.params["stem"]["kernel"]).all())
        True
        >>> starting_from(mlp([8], num_classes=2), trained).init(jax.random.key(0), x)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: the given values do not fit the model: params/head/kernel ...

        Ten classes in place of two:

        >>> larger = starting_from(mlp([4], num_classes=10), trained, fresh=["head"])
        >>> larger.init(jax.random.key(0), x).params["head"]["bias"].shape
        (10,)
    """
    several(fresh=fresh)
    for name in fresh:
        one_of([block.name for block in model.blocks], fresh=name)
    at_random = [block for block in model.blocks if block.name in fresh]
    if isinstance(start, Variables):
        known = {name: np.asarray(leaf) for name, leaf in named(start).items()}
    else:
        known = read_variables(Path(start))
    given = {name: array for name, array in known.items() if not belongs(name, at_random)}
    _check_numbers(given)

    def init(key: Any, x: Any, **shared: Any) -> Variables:
        begin = partial(model.init, **shared)
        shapes = jax.eval_shape(begin, key, x)
        wanted = {
            name: leaf for name, leaf in named(shapes).items() if not belongs(name, at_random)
        }
        _check_fit(given, wanted)
        random = named(begin(key, x)) if at_random else {}
        leaves = [
            jnp.asarray(given[name], leaf.dtype) if name in wanted else random[name]
            for name, leaf in named(shapes).items()
        ]
        return Variables(*jax.tree.unflatten(jax.tree.structure(shapes), leaves))

    config = {
        "name": "starting_from",
        "model": dict(model.config),
        "start": checksum(given),
        "fresh": list(fresh),
    }
    return replace(model, init=init, config=config)


def _check_numbers(given: Mapping[str, np.ndarray]) -> None:
    for name, array in given.items():
        if not (jnp.issubdtype(array.dtype, jnp.number) or array.dtype == bool):
            raise Refused(f"the given values must be numbers; {name} holds {array.dtype}")
        if not np.isfinite(array).all():
            raise Refused(f"the given values must be finite; {name} holds NaN or infinity")


def _check_fit(given: Mapping[str, np.ndarray], wanted: Mapping[str, Any]) -> None:
    shared = [name for name in wanted if name in given]
    wrong = [
        f"{name} has shape {given[name].shape}, where {wanted[name].shape} is needed"
        for name in shared
        if given[name].shape != wanted[name].shape
    ]
    wrong += [
        f"{name} holds {given[name].dtype}, where {wanted[name].dtype} is needed"
        for name in shared
        if _floating(given[name]) != _floating(wanted[name])
    ]
    for names, verb in ((set(wanted) - set(given), "lack"), (set(given) - set(wanted), "have")):
        if names:
            wrong.append(f"they {verb} {_listed(sorted(names))}")
    if wrong:
        raise Refused(f"the given values do not fit the model: {_listed(wrong, '; ')}")


def _floating(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jnp.floating))


def _listed(names: Sequence[str], between: str = ", ") -> str:
    more = len(names) - _LISTED
    return between.join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
