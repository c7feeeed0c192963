"""The configuration of a search: a study, the parameters of a recipe, and the objective."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pptp_jax.study.config import Study
from pptp_jax.training import Recipe
from pptp_jax.validation import Refused, at_least, keep_python_numbers, several
from pptp_jax.validation.field_types import check_fields


@dataclass(frozen=True, kw_only=True)
class Between:
    """A number between two ends, both included; an integer if both ends are integers.

    Attributes:
        low: the lower end.
        high: the upper end.
        log: whether it is drawn evenly on a logarithmic scale.

    Raises:
        ValueError: if the ends are not in order, or a logarithm does not exist.

    Examples:
        >>> Between(low=1, high=30).integer, Between(low=1e-4, high=1e-1, log=True).integer
        (True, False)
    """

    low: int | float
    high: int | float
    log: bool = False

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        check_fields(self)
        if not self.low < self.high:
            raise Refused(f"low must be below high, got {self.low} and {self.high}")
        if self.log and not self.low > 0:
            raise Refused(f"on a logarithmic scale low must be above 0, got {self.low}")

    @property
    def integer(self) -> bool:
        """Whether it is an integer."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class OneOf:
    """One of some words or numbers.

    Attributes:
        options: what there is to choose from.

    Raises:
        ValueError: if there is no choice, or an option is neither a word, a number nor None.

    Examples:
        >>> OneOf(("stem", "shallow", "not head")).options[0]
        'stem'
    """

    options: tuple[Any, ...]

    def __post_init__(self) -> None:
        several(options=self.options)
        at_least(2, options=len(self.options))
        for option in self.options:
            if not (option is None or isinstance(option, str | bool | int | float)):
                raise Refused(
                    f"options must be words, numbers or None, got a {type(option).__name__}: name "
                    "it by a word, and let the search's recipe look the word up"
                )


@dataclass(frozen=True, kw_only=True)
class MostUtility:
    """The most utility among trials on which the attack's AUC stays below a bound.

    Attributes:
        most_auc: the bound, for the AUC of the study's `compared` attack.

    Raises:
        ValueError: if the bound lies below one half or above one.

    Examples:
        >>> MostUtility(most_auc=0.55).directions
        ('maximize',)
    """

    most_auc: float

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        check_fields(self)
        if not 0.5 <= self.most_auc <= 1:
            raise Refused(f"most_auc must lie between 0.5 and 1, got {self.most_auc}")

    directions = ("maximize",)


@dataclass(frozen=True, kw_only=True)
class LargestMargin:
    """The margin in utility over the hull of the study's recipes with the highest lower limit.

    A trial ranks by the lower end of its margin's interval, as with `pptp choose`. One that leaks
    less than every recipe of the study has no margin.

    Examples:
        >>> LargestMargin().directions
        ('maximize',)
    """

    directions = ("maximize",)


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """All trials that no other one beats in both utility and attack AUC.

    Examples:
        >>> Frontier().directions
        ('maximize', 'minimize')
    """

    directions = ("maximize", "minimize")


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search over recipes with an attack in the loop, as plain frozen data.

    Attributes:
        study: the data, the model and the split of the tuning fleets. Its recipes are the rivals:
            they are trained beside the trials and beside the choice.
        recipe: makes a recipe of parameters, given by their names.
        space: between what each parameter is chosen.
        objective: what is looked for.
        trials: how many settings are tried.
        sampler: `tpe` learns from earlier trials, `random` does not.
        seed: of the sampler.
        fresh_seed: the seed of the study on the fresh fleet, on which the choice is reported.

    Raises:
        ValueError: if a field does not fit, `fresh_seed` is that of the study, or the recipe does
            not take the parameters of the space.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import early_stopped, freeze
        >>> study = Study(
        ...     name="mine",
        ...     data=Digits(),
        ...     model=mlp([32], num_classes=10),
        ...     recipes=(early_stopped(4),),
        ... )
        >>> Search(
        ...     study=study,
        ...     recipe=lambda after, more: freeze("stem", after=after, more=more),
        ...     space={"after": Between(low=1, high=4), "more": Between(low=1, high=8)},
        ...     objective=LargestMargin(),
        ... ).trials
        20
    """

    study: Study
    recipe: Callable[..., Recipe]
    space: Mapping[str, Between | OneOf]
    objective: MostUtility | LargestMargin | Frontier
    trials: int = 20
    sampler: Literal["tpe", "random"] = "tpe"
    seed: int = 0
    fresh_seed: int = 1000

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        check_fields(self)
        at_least(1, trials=self.trials, **{"parameters of the space": len(self.space)})
        at_least(0, seed=self.seed, fresh_seed=self.fresh_seed)
        if self.fresh_seed == self.study.seed:
            raise Refused(
                f"fresh_seed must differ from the seed of the study, got {self.fresh_seed} for "
                "both: the fresh fleet would be that of the search"
            )
        # The corners of the space, before any training.
        for end in (0, -1):
            self.made({name: _ends(part)[end] for name, part in self.space.items()})

    def made(self, parameters: Mapping[str, Any]) -> Recipe:
        """The recipe of some parameters.

        Args:
            parameters: by their names.

        Raises:
            ValueError: if the recipe does not take them, or does not fit the model.
        """
        given = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
        try:
            made = self.recipe(**parameters)
        except Refused as error:
            raise Refused(f"the recipe of {given}: {error}") from error
        except TypeError as error:
            raise Refused(f"the search's recipe does not take {given}: {error}") from error
        if not isinstance(made, Recipe):
            raise Refused(
                f"the search's recipe must return a Recipe, got a {type(made).__name__} of {given}"
            )
        made.regions(self.study.model)
        return made


def _ends(part: Between | OneOf) -> tuple[Any, ...]:
    return part.options if isinstance(part, OneOf) else (part.low, part.high)
