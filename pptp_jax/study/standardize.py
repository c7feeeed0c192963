"""Standardise the inputs of a study's model where needed."""

from dataclasses import replace

from pptp_jax.data import Dataset, Scales, of_unit_scale
from pptp_jax.models import Model, in_precision, standardized
from pptp_jax.models.model import configs
from pptp_jax.study.config import Study
from pptp_jax.validation import Refused


def prepared(study: Study) -> tuple[Study, Dataset]:
    """The study with its model prepared for the data's units and precision, and the data.

    Raises:
        ValueError: if the study does not fit its data.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> model, recipes = mlp([8], num_classes=10), (undefended(1),)
        >>> study = Study(name="mine", data=Digits(), model=model, recipes=recipes)
        >>> prepared(study)[0].model is model  # pixels go from 0 to 1 already
        True
    """
    data, model = study.load(), study.model
    if study.precision != "float32":  # that of all else that a study computes
        model = in_precision(model, study.precision)
    # Inputs are standardised before they are rounded.
    return replace(study, model=in_units_of(model, data, study.standardize)), data


def in_units_of(model: Model, data: Dataset, standardize: bool | None) -> Model:
    """The model, which standardises its inputs where that is requested or needed.

    Args:
        model: the model.
        data: what it will see.
        standardize: whether it does; None: where the inputs are not of unit scale, and the model
            does not start from given values, which belong to the inputs that they learned from.
            Symbols are never standardised.

    Raises:
        ValueError: if symbols are to be standardised.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> in_units_of(mlp([8], num_classes=10), Digits().load(), standardize=True).config["mean"]
        [0.3053]
    """
    if data.vocabulary is not None:
        if standardize:
            raise Refused(f"{data.name} is made of symbols, which have no mean: standardize=None")
        return model
    if standardize is None:
        given = any("start" in config for config in configs(model))
        standardize = not given and not of_unit_scale(data)
    if not standardize:
        return model
    mean, deviation = Scales.of(data)
    return standardized(model, mean.tolist(), deviation.tolist())
