"""A model that standardises its inputs, by fixed means and deviations."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from pptp_jax.models.model import Mode, Model, Variables
from pptp_jax.validation import Refused, positive


def standardized(model: Model, mean: Sequence[float], deviation: Sequence[float]) -> Model:
    """The same model on inputs (x − mean) / deviation, which it computes from x itself.

    To everything outside inputs stay what they are: balls of robustness, noise and the gradients of
    probes are measured in the units of the data. The numbers are constants of the model, neither
    trained nor updated, and part of its record.

    Args:
        model: the model.
        mean: one number for each entry of the inputs' last axis: a channel or a feature.
        deviation: likewise, all above zero.

    Returns:
        The model, with the same blocks and the same parameters.

    Raises:
        ValueError: if the numbers are not as many, or a deviation is not above zero; from a call,
            if the inputs' last axis has another length.

    Examples:
        >>> model = Model(
        ...     init=lambda key, x: Variables({}, {}),
        ...     apply=lambda params, state, x, *, train, key: (x, state),
        ... )
        >>> ages = standardized(model, mean=[40.0], deviation=[20.0])
        >>> logits, _ = ages.apply({}, {}, jnp.array([[30.0], [80.0]]), train=False, key=None)
        >>> logits.tolist()
        [[-0.5], [2.0]]
    """
    if len(mean) != len(deviation):
        raise Refused(
            f"there must be as many means as deviations, got {len(mean)} and {len(deviation)}"
        )
    positive(**{f"deviation[{i}]": float(value) for i, value in enumerate(deviation)})
    config = {
        "name": "standardized",
        "model": dict(model.config),
        "mean": [float(value) for value in mean],
        "deviation": [float(value) for value in deviation],
    }

    def seen(x: Any) -> Any:
        if x.shape[-1] != len(mean):
            raise Refused(
                f"the model standardises {len(mean)} channels or features; its inputs of shape "
                f"{x.shape} have {x.shape[-1]}"
            )
        shape = (1,) * (x.ndim - 1) + (-1,)
        centre, unit = (jnp.asarray(each, x.dtype).reshape(shape) for each in (mean, deviation))
        return (x - centre) / unit

    def init(key: Any, x: Any, **shared: Any) -> Variables:
        return model.init(key, seen(x), **shared)

    def apply(
        params: Any, state: Any, x: Any, *, train: Mode, key: Any, **shared: Any
    ) -> tuple[Any, Any]:
        return model.apply(params, state, seen(x), train=train, key=key, **shared)

    def looking(inside: Callable[..., Any] | None) -> Any:
        if inside is None:
            return None
        return lambda params, state, x, **shared: inside(params, state, seen(x), **shared)

    return replace(
        model,
        init=init,
        apply=apply,
        config=config,
        statistics=looking(model.statistics),
        features=looking(model.features),
    )
