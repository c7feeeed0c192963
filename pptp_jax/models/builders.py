"""Our model builders, and rebuilding a model with other arguments."""

import inspect
from collections.abc import Callable
from typing import Any

from pptp_jax.models.fast_resnet import resnet9
from pptp_jax.models.gpt_decoder import gpt
from pptp_jax.models.llama_decoder import llama
from pptp_jax.models.model import Model
from pptp_jax.models.perceptron import mlp
from pptp_jax.models.plain_cnn import cnn
from pptp_jax.models.resnet import resnet8, resnet18
from pptp_jax.models.vgg import vgg11_bn
from pptp_jax.models.vision_transformer import vit
from pptp_jax.models.wide_resnet import wrn28
from pptp_jax.validation import Refused, one_of

BUILDERS: dict[str, Callable[..., Model]] = {
    builder.__name__: builder
    for builder in (cnn, gpt, llama, mlp, resnet8, resnet9, resnet18, vgg11_bn, vit, wrn28)
}


def rebuilt(model: Model, **changes: Any) -> Model:
    """A model of ours, built again with some arguments changed.

    Args:
        model: the model, whose `config` names its builder and all arguments.
        **changes: arguments of the builder.

    Raises:
        ValueError: if the model was not built by one of ours, the builder takes no such argument,
            or it refuses its value.

    Examples:
        >>> wider = rebuilt(mlp([64], num_classes=10), hidden=[128], dropout=0.1)
        >>> wider.config["hidden"], wider.config["num_classes"], wider.config["dropout"]
        ([128], 10, 0.1)
        >>> rebuilt(wider, dropuot=0.2)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: argument of mlp 'dropuot' is unknown; did you mean ...
    """
    name = model.config.get("name")
    if name not in BUILDERS:
        raise Refused(
            f"only models built by {', '.join(BUILDERS)} can be changed from outside; change this "
            "one where it is defined"
        )
    builder = BUILDERS[str(name)]
    for argument in changes:
        one_of(inspect.signature(builder).parameters, **{f"argument of {name}": argument})
    given = {key: value for key, value in model.config.items() if key != "name"}
    return builder(**given | changes)
