"""The precision that a network trains in, and a sentence on what it rounds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import jax
import jax.numpy as jnp

from pptp_jax.models.model import Mode, Model
from pptp_jax.models.products import Precision, platform, products_in
from pptp_jax.validation import Refused, one_of


def in_precision(model: Model, precision: Precision) -> Model:
    """Makes a model train in this precision; it still evaluates in full float32.

    - `float32`: no factor of a product or convolution is rounded. JAX by itself rounds them on GPUs
      and TPUs.
    - `tensorfloat32`: those of training are rounded to 11 bits on NVIDIA GPUs since Ampere; a TPU
      takes three passes of bfloat16, about 16 bits; other devices round nothing. All else is
      float32.
    - `bfloat16`: parameters and inputs are rounded on their way in, and all that passes through
      the network in training has 8 bits. It takes half the memory, and devices that multiply
      bfloat16 faster do; a CPU does not.

    In each of them parameters, gradients, the optimiser's state, logits, losses and running
    statistics are float32. So are signals: logits of eight bits would have ties, and let an attack
    look weaker than it is.

    Args:
        model: the model. For `bfloat16` its `apply` computes in the precision of the parameters and
            inputs that it is given; its state is given in float32. Our norms take means and
            variances in float32; a norm of your own should, too.
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
        >>> half, x = in_precision(mlp([4], num_classes=2), "bfloat16"), jnp.ones((5, 3))
        >>> params, state = half.init(jax.random.key(0), x)
        >>> logits, _ = half.apply(params, state, x, train=True, key=None)
        >>> str(params["stem"]["kernel"].dtype), str(logits.dtype)
        ('float32', 'float32')
    """
    one_of(get_args(Precision), precision=precision)
    if model.precision == precision != "float32":
        return model
    if model.precision != "float32":
        raise Refused(
            f"precision={precision!r} is given to a model that trains in {model.precision} "
            "already: give it one of them"
        )
    in_training = _rounded(model.apply) if precision == "bfloat16" else model.apply

    def apply(
        params: Any, state: Any, x: Any, *, train: Mode, key: Any, **shared: Any
    ) -> tuple[Any, Any]:
        own = in_training if train else model.apply
        with products_in(precision if train else "float32"):
            return own(params, state, x, train=train, key=key, **shared)

    config = {"name": "in_precision", "precision": precision, "model": dict(model.config)}
    return replace(model, apply=apply, config=config, precision=precision)


def _rounded(apply: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """A model's `apply` on parameters and inputs of bfloat16; logits and state stay float32."""

    def rounded(
        params: Any, state: Any, x: Any, *, train: Mode, key: Any, **shared: Any
    ) -> tuple[Any, Any]:
        params, x, shared = _cast((params, x, shared), jnp.bfloat16)
        logits, after = apply(params, state, x, train=train, key=key, **shared)
        kept = jax.tree.map(lambda new, old: jnp.asarray(new, jnp.asarray(old).dtype), after, state)
        return _cast(logits, jnp.float32), kept

    return rounded


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
