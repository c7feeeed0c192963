"""Recipes with a number for each block: its weight decay, or its learning rate.

`pptp_jax.locate.risk_weights` makes such numbers of a risk map. DP-SGD has them as
`Private(weights=...)`.
"""

from collections.abc import Mapping
from dataclasses import replace

from pptp_jax.objectives import TaskLoss
from pptp_jax.training.gradient_rules import Number, Perturbation, Perturbed
from pptp_jax.training.phase import Phase
from pptp_jax.training.recipe import Recipe
from pptp_jax.validation import Refused, not_negative


def weighted_decay(epochs: int, weight_decay: Number, weights: Mapping[str, Number]) -> Recipe:
    """Cross-entropy with a weight decay of λ · w_b in block b.

    A block without a weight keeps the decay of the study's `SGD`. Its rival is the same decay of
    all blocks, `decay(epochs, λ)`, at several λ: behind a batch norm, decay sets an effective
    learning rate, and what it does depends little on where it is (docs/findings.md).

    Args:
        epochs: how long.
        weight_decay: λ.
        weights: w by block, or by any other word for a region; they may not overlap.

    Raises:
        ValueError: if there is no weight, or a number is negative.

    Examples:
        >>> weighted_decay(30, 0.005, {"stem": 0.1, "stage3": 1.0}).slug
        'decay-weights-0.1-1_30_stem+stage3_weight_decay_0.005'
    """
    not_negative(weight_decay=weight_decay)
    decays = {name: weight_decay * weight for name, weight in _checked(weights).items()}
    phase = Phase(epochs=epochs, objectives=TaskLoss(), weight_decay=decays)
    recipe = Recipe(name=f"decay {weight_words(weights)}", phases=(phase,), region=each(weights))
    return replace(recipe, defence="weight_decay", strength=float(weight_decay))


def weighted_rates(epochs: int, weights: Mapping[str, Number]) -> Recipe:
    """Cross-entropy with a learning rate of w_b times that of the optimiser in block b.

    Args:
        epochs: how long.
        weights: w by block, or by any other word for a region; one without has 1.

    Raises:
        ValueError: if there is no weight, or one is negative.

    Examples:
        >>> weighted_rates(30, {"stem": 1.0, "stage3": 0.1}).slug
        'rates-weights-1-0.1_30_stem+stage3'
    """
    rules = {name: Perturbation(scale=weight) for name, weight in _checked(weights).items()}
    phase = Phase(epochs=epochs, objectives=TaskLoss(), gradient=Perturbed(rules))
    return Recipe(name=f"rates {weight_words(weights)}", phases=(phase,), region=each(weights))


def each(weights: Mapping[str, Number]) -> dict[str, tuple[str, ...]]:
    """One region for each name that has a weight, with that label.

    Examples:
        >>> each({"stem": 0.5})
        {'stem': ('stem',)}
    """
    return {name: (name,) for name in weights}


def weight_words(weights: Mapping[str, Number]) -> str:
    """The weights as text, for the name of a recipe.

    Examples:
        >>> weight_words({"stem": 1 / 3, "head": 1.0})
        'weights 0.333-1'
    """
    return "weights " + "-".join(f"{float(weight):.3g}" for weight in weights.values())


def _checked(weights: Mapping[str, Number]) -> Mapping[str, Number]:
    if not isinstance(weights, Mapping) or not weights:
        raise Refused(
            "weights must be numbers by block, as pptp_jax.locate.risk_weights makes them, "
            f"got {weights!r:.80}"
        )
    for name, weight in weights.items():
        not_negative(**{f"the weight of {name}": weight})
    return weights
