"""The curves of a study's methods, and the pairs compared at equal attack strength."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pptp_jax.attacks import attack_of
from pptp_jax.attacks.title import attack_name
from pptp_jax.data import Membership
from pptp_jax.evaluation import Curve, Measure, Point, point
from pptp_jax.evaluation.attack_fleet import Attacked, attacked
from pptp_jax.evaluation.matched_utility import matched_utilities
from pptp_jax.evaluation.method import CONTROL, RIVALS, method, method_name
from pptp_jax.evaluation.rivals import margins, tuned_rivals
from pptp_jax.fleets import StoredFleet
from pptp_jax.metrics import Bootstrap
from pptp_jax.study.config import Study
from pptp_jax.training import Recipe

Trained = tuple[Recipe, StoredFleet]


class Setting(NamedTuple):
    """A point with the recipe that made it.

    Attributes:
        recipe: of the study.
        stop: the epochs after which it was stopped on the way; None at its end.
        point: what it keeps and what the compared attack achieves.
        seen: what the point was made of.
    """

    recipe: Recipe
    stop: int | None
    point: Point
    seen: Attacked


def settings(study: Study, trained: Sequence[Trained], membership: Membership) -> list[Setting]:
    """A point for each recipe, and for each stop on its way.

    Args:
        study: the study, whose `compared` attack gives the strength.
        trained: each recipe with its fleets by the epochs behind them.
        membership: who is a member of what.
    """
    found = []
    compared, models = attack_of(study.compared, study.attacks), len(membership.targets)
    for recipe, by_epochs in trained:
        *_, end = by_epochs
        for epochs, fleet in by_epochs.items():
            seen = attacked(fleet, membership, (compared,), declared=study.model.task.signals)
            if study.compared not in seen.scores or not len(seen.targets):
                continue
            stopped = "" if epochs == end else f", stopped after {epochs}"
            strength = "" if recipe.strength is None else f" {recipe.strength:g}"
            own = point(
                seen.scores[study.compared],
                seen.membership,
                seen.utility,
                label=f"{recipe.name} {recipe.epochs}{strength}{stopped}",
                targets=seen.targets - membership.targets[0],
                resampling=Bootstrap(models, seen.utility.shape[1], study.resamples, study.seed),
            )
            found.append(Setting(recipe, None if epochs == end else epochs, own, seen))
    return found


def curves(study: Study, found: Sequence[Setting]) -> list[Curve]:
    """A curve for each method: a point for each strength, and each stop on the way."""
    points: dict[str, list[Point]] = {}
    for setting in found:
        points.setdefault(method(setting.recipe), []).append(setting.point)
    measure = Measure.of(study.model.task)
    return [Curve(name, tuple(own), measure) for name, own in points.items()]


def rivals(study: Study, drawn: Sequence[Curve]) -> list[Curve]:
    """The curves of the methods that protect no region."""
    names = {method(recipe) for recipe in study.recipes if recipe.region is None}
    return [curve for curve in drawn if curve.name in names]


def pairs(study: Study, drawn: Sequence[Curve]) -> list[tuple[Curve, Curve]]:
    """Every method with early stopping, and what protects a region with its like that does not.

    Its like is the same recipe without a region, the defence in all network, and the defence
    that starts late. Where several methods protect no region, it is compared with their hull, too.
    """
    by_name = {curve.name: curve for curve in drawn}
    if len(free := rivals(study, drawn)) > 1:
        by_name[RIVALS] = tuned_rivals(free)
    found = []
    for recipe in study.recipes:
        likes = () if recipe.region is None else (recipe.name, "whole network", "switch")
        others = [*(method_name(like, None, recipe.defence) for like in likes), CONTROL]
        others += [] if recipe.region is None else [RIVALS]
        found += [(method(recipe), other) for other in others]
    known = [(a, b) for a, b in dict.fromkeys(found) if a != b and {a, b} <= set(by_name)]
    return [(by_name[a], by_name[b]) for a, b in known]


def comparisons(study: Study, drawn: Sequence[Curve]) -> list[dict[str, Any]]:
    """Compares every pair, at equal AUC and at equal TPR at 0.1 % FPR."""
    return matched_utilities(pairs(study, drawn), attack=attack_name(study.compared))


def margins_of_settings(study: Study, found: Sequence[Setting]) -> list[dict[str, Any]]:
    """The margin of each setting with a region above the hull of the rivals, at its own AUC.

    Empty where every recipe protects a region, or none does.
    """
    free = rivals(study, curves(study, found))
    protecting = [setting for setting in found if setting.recipe.region is not None]
    if not (free and protecting):
        return []
    own = Curve("settings", tuple(s.point for s in protecting), Measure.of(study.model.task))
    return [
        {
            "method": method(setting.recipe),
            "recipe": setting.recipe.slug,
            "stop": setting.stop,
            "strength": setting.point.strength["auc"].estimate()._asdict(),
            "utility": setting.point.utility.estimate()._asdict(),
            "margin": margin._asdict(),
        }
        for setting, margin in zip(protecting, margins(own, tuned_rivals(free)), strict=True)
    ]
