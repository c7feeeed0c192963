"""The trials of a search: sample the next setting, and choose among them."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from pptp_jax.evaluation import Curve, Measure, tuned_rivals
from pptp_jax.evaluation.matched_utility import paired_estimate
from pptp_jax.evaluation.rivals import drawn_margins
from pptp_jax.metrics import Drawn
from pptp_jax.study.comparisons import Setting
from pptp_jax.study.search import Between, Frontier, LargestMargin, MostUtility, OneOf, Search
from pptp_jax.validation.extras import extra

# Below every trial that keeps the bound; the sampler goes by the order of values alone.
_BROKEN = -1e6
# Trials before the sampler learns from them; no share of all, so that more trials go on from fewer.
_STARTUP = 4


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A setting that was tried.

    Attributes:
        number: from 0.
        parameters: by their names.
        recipe: its slug.
        utility: on non-members.
        auc: of the compared attack.
        margin: over the hull of the study's recipes, at equal AUC; None unless it is looked for.
        found: the setting as it was measured; None where every model diverged.
    """

    number: int
    parameters: dict[str, Any]
    recipe: str
    found: Setting | None = field(repr=False)
    margin: Drawn | None = field(default=None, repr=False)

    @property
    def utility(self) -> Drawn:
        """The utility on non-members."""
        assert self.found is not None
        return self.found.point.utility

    @property
    def auc(self) -> Drawn:
        """The AUC of the compared attack."""
        assert self.found is not None
        return self.found.point.strength["auc"]


Measured = Callable[[dict[str, Any]], tuple[str, Setting | None]]


def trials(search: Search, rivals: list[Setting], measured: Measured) -> Iterator[Trial]:
    """Tries one setting after another.

    What is tried depends on the search and on what earlier trials found, and on nothing else: each
    trial has a sampler of its own seed. A search that was stopped makes the same trials again,
    whose fleets are on disk.

    Args:
        search: the search.
        rivals: the study's recipes as they were measured.
        measured: trains and attacks the recipe of some parameters.

    Raises:
        ImportError: if optuna is not installed.
    """
    optuna = extra("optuna", "search")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = list(search.objective.directions)
    study = optuna.create_study(directions=directions)
    space = {name: _distribution(optuna, part) for name, part in search.space.items()}
    measure = Measure.of(search.study.model.task)
    for number in range(search.trials):
        study.sampler = _sampler(optuna, search, number)
        proposed = study.ask(fixed_distributions=space)
        slug, found = measured(dict(proposed.params))
        margin = None
        if found is not None and isinstance(search.objective, LargestMargin):
            margin = margin_of(found, rivals, measure)
        trial = Trial(
            number=number, parameters=dict(proposed.params), recipe=slug, found=found, margin=margin
        )
        values = _values(search, trial, measure.sign)
        if values is None:
            state = optuna.trial.TrialState
            study.tell(proposed, state=state.FAIL if found is None else state.PRUNED)
        else:
            study.tell(proposed, values)
        yield trial


def chosen(search: Search, tried: list[Trial]) -> list[Trial]:
    """The best of the trials; all that no other one beats, if a frontier is looked for.

    Args:
        search: the search.
        tried: its trials.

    Returns:
        None of them, if none keeps the bound, has a margin, or did not diverge.
    """
    sign = Measure.of(search.study.model.task).sign
    known = [(trial, _values(search, trial, sign)) for trial in tried]
    valued = [(trial, values) for trial, values in known if values and values[0] > _BROKEN]
    if not isinstance(search.objective, Frontier):
        return [max(valued, key=lambda one: one[1][0])[0]] if valued else []
    points = np.array([(values[0], -values[1]) for _, values in valued]).reshape(-1, 2)
    better = (points[:, None] >= points).all(axis=-1) & (points[:, None] > points).any(axis=-1)
    front = [valued[i][0] for i in np.flatnonzero(~better.any(axis=0))]
    return list({trial.recipe: trial for trial in front}.values())  # equal settings are one


def margin_of(found: Setting, rivals: list[Setting], measure: Measure) -> Drawn:
    """The margin of a setting above the hull of the rivals.

    Args:
        found: the setting.
        rivals: measured on the same resamples.
        measure: of the utility.
    """
    hull = tuned_rivals([Curve("rivals", tuple(own.point for own in rivals), measure)])
    [own] = drawn_margins(Curve("trial", (found.point,), measure), hull)
    return own


def _values(search: Search, trial: Trial, sign: int) -> list[float] | None:
    """The values that the sampler receives; None where the trial has none."""
    if trial.found is None:
        return None
    utility, auc = sign * trial.utility.value, trial.auc.value
    if isinstance(search.objective, Frontier):
        return [utility, auc]
    if isinstance(search.objective, MostUtility):
        excess = auc - search.objective.most_auc
        return [utility if excess <= 0 else _BROKEN - excess]
    assert trial.margin is not None
    low = lower_end(trial.margin)
    return None if low is None else [low]


def lower_end(margin: Drawn) -> float | None:
    """The lower end of a margin's interval; None where too few resamples have one."""
    return paired_estimate(np.array([margin.value, *margin.drawn])).low


def _distribution(optuna: ModuleType, part: Between | OneOf) -> Any:
    kinds = optuna.distributions
    if isinstance(part, OneOf):
        return kinds.CategoricalDistribution(part.options)
    if part.integer:
        return kinds.IntDistribution(part.low, part.high, log=part.log)
    return kinds.FloatDistribution(part.low, part.high, log=part.log)


def _sampler(optuna: ModuleType, search: Search, number: int) -> Any:
    seed = int(np.random.SeedSequence((search.seed, number)).generate_state(1)[0])
    if search.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP, multivariate=True)
