"""In which precision a network trains: one switch, and in words what it changes."""

from dataclasses import replace
from typing import Any, get_args

import jax
import jax.numpy as jnp

from pptp_jax.models.model import Mode, Model
from pptp_jax.models.products import Precision, full_float32, platform, products_in
from pptp_jax.validation import Refused, one_of


def in_precision(model: Model, precision: Precision) -> Model:
    """The same model, which trains in this precision and evaluates in full float32.

    - `float32`: no factor of a product or convolution is rounded. JAX by itself rounds them on GPUs
      and TPUs.
    - `tensorfloat32`: those of training are rounded to 11 bits on NVIDIA GPUs since Ampere; a TPU
      takes three passes of bfloat16, about 16 bits; other devices round nothing. All else is
      float32.
    - `bfloat16`: `in_bfloat16`. All that passes through the network in training has 8 bits.

    In each of them parameters, gradients, the optimiser's state, logits, losses and running
    statistics are float32, and so are signals.

    Args:
        model: the model.
        precision: one of the three.

    Returns:
        The model, with the same blocks and the same parameters.

    Raises:
        ValueError: if there is no such precision, or the model has been given another one.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> fast = in_precision(mlp([4], num_classes=2), "tensorfloat32")
        >>> fast.precision, fast.config["name"], fast.config["precision"]
        ('tensorfloat32', 'in_precision', 'tensorfloat32')
    """
    one_of(get_args(Precision), precision=precision)
    if model.precision == precision != "float32":
        return model
    if model.precision != "float32":
        raise Refused(
            f"precision={precision!r} is given to a model that trains in {model.precision} "
            "already: give it one of them"
        )
    if precision == "bfloat16":
        return in_bfloat16(model)

    def apply(
        params: Any, state: Any, x: Any, *, train: Mode, key: Any, **shared: Any
    ) -> tuple[Any, Any]:
        with products_in(precision if train else "float32"):
            return model.apply(params, state, x, train=train, key=key, **shared)

    config = {"name": "in_precision", "precision": precision, "model": dict(model.config)}
    return replace(model, apply=apply, config=config, precision=precision)


def in_bfloat16(model: Model) -> Model:
    """The same model, which computes in bfloat16 while it trains.

    What passes through the network then takes half the memory, and devices that multiply bfloat16
    faster do; a CPU does not. Parameters, gradients, what the optimiser remembers, logits, losses
    and running statistics stay float32: parameters and inputs are rounded on their way in.

    Only training is rounded. Signals are taken from a network that evaluates in float32: logits of
    eight bits would have ties, and let an attack look weaker than it is.

    Args:
        model: the model, whose `apply` computes in the precision of the parameters and inputs that
            it is given. Its state is given in float32. Our norms take means and variances in
            float32; a norm of your own should, too.

    Returns:
        The model, with the same blocks and the same parameters, so that region maps stay as they
        are.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> model, x = in_bfloat16(mlp([4], num_classes=2)), jnp.ones((5, 3))
        >>> params, state = model.init(jax.random.key(0), x)
        >>> logits, _ = model.apply(params, state, x, train=True, key=None)
        >>> str(params["stem"]["kernel"].dtype), str(logits.dtype)
        ('float32', 'float32')
    """
    evaluate = full_float32(model.apply)

    def apply(
        params: Any, state: Any, x: Any, *, train: Mode, key: Any, **shared: Any
    ) -> tuple[Any, Any]:
        if not train:
            return evaluate(params, state, x, train=train, key=key, **shared)
        rounded, x, base = _cast((params, x, shared), jnp.bfloat16)
        with products_in("bfloat16"):
            logits, after = model.apply(rounded, state, x, train=train, key=key, **base)
        kept = jax.tree.map(lambda new, old: jnp.asarray(new, jnp.asarray(old).dtype), after, state)
        return _cast(logits, jnp.float32), kept

    config = {"name": "in_bfloat16", "model": dict(model.config)}
    return replace(model, apply=apply, config=config, precision="bfloat16")


def precision_in_words(precision: Precision, device: str | None = None) -> str:
    """What a precision rounds and what it does not, in one sentence.

    Args:
        precision: that of training.
        device: `cpu`, `gpu` or `tpu`; None is the one that programs are made for.

    Examples:
        >>> precision_in_words("float32", "cpu")
        'float32: nothing is rounded further, neither in training nor in signals'
        >>> precision_in_words("tensorfloat32", "gpu")[:73]
        'tensorfloat32: in training the factors of products and convolutions are r'
    """
    device = platform() if device is None else device
    if precision == "bfloat16":
        what = "in training all that passes through the network has 8 bits"
    elif precision == "float32" or device == "cpu":
        here = " on a CPU" if precision != "float32" else ""
        slow = "" if device == "cpu" else "; tensorfloat32 and bfloat16 train faster on this device"
        nothing = f"nothing is rounded further{here}, neither in training nor in signals"
        return f"{precision}: {nothing}{slow}"
    else:
        bits = "about 16 bits" if device == "tpu" else "11 bits where the GPU has TensorFloat-32"
        what = f"in training the factors of products and convolutions are rounded to {bits}"
    return (
        f"{precision}: {what}; parameters, gradients, the optimiser's state, norms' statistics, "
        "losses and all signals are float32"
    )


def _cast(tree: Any, dtype: Any) -> Any:
    def cast(leaf: Any) -> Any:
        return jnp.asarray(leaf, dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, tree)
