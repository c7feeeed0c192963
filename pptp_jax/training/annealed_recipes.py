"""Recipes whose learning rate is constant on a trunk and falls in a short anneal behind it."""

from collections.abc import Mapping
from dataclasses import replace

from pptp_jax.regions import PROTECT, Region
from pptp_jax.training.phase import Phase
from pptp_jax.training.recipe import Recipe
from pptp_jax.training.recipes import undefended
from pptp_jax.validation import Refused, at_least


def annealed(trunk: int | Recipe, anneal: int = 3, region: Region | None = None) -> Recipe:
    """A trunk at a constant learning rate, and an anneal, in which the rate falls to zero linearly.

    Early stopping with an anneal of its own, the rival that keeps most accuracy. All stops are
    branches of one trunk: list the longest first in a study, and the trunk is trained once, bit for
    bit as if each recipe were alone. The anneal is a phase, so momentum begins again.

    Args:
        trunk: the epochs of plain training, or any recipe, whose phases get a constant rate and
            whose last phase sets the rules of the anneal: `annealed(freeze("stage3", 10, 4))`
            freezes after 10 of 14 epochs and in the anneal.
        anneal: the epochs of the anneal.
        region: what is frozen in the anneal alone; None freezes nothing more.

    Raises:
        ValueError: if the trunk has a region and another is to be frozen, or its last phase has
            rules that do not go on in a phase behind it.

    Examples:
        >>> from pptp_jax.training import decay, freeze
        >>> [annealed(stop).slug for stop in (30, 4)]
        ['annealed_30+3', 'annealed_4+3']
        >>> annealed(14, region="deep").slug, annealed(freeze("stem", after=10, more=4)).slug
        ('freeze_at_anneal_14+3_deep', 'annealed_freeze_10+4+3_stem')
        >>> annealed(decay(30, 0.005)).slug
        'annealed_decay_30+3_weight_decay_0.005'
    """
    at_least(1, anneal=anneal)
    recipe = trunk if isinstance(trunk, Recipe) else undefended(trunk)
    plain = recipe.name in ("undefended", "early_stopped")
    phases = [replace(phase, schedule="constant") for phase in recipe.phases]
    last = phases[-1]
    _check(recipe, last)
    end = replace(last, epochs=anneal, start=(), schedule="linear")
    name = "annealed" if plain else f"annealed_{recipe.name}"
    if region is None:
        return replace(recipe, name=name, phases=(*phases, end))
    if recipe.region not in (None, region):
        raise Refused(
            f"{recipe.slug} has the region {recipe.region!r}, and a recipe has one map of regions: "
            f"freeze that in the anneal, or nothing; got {region!r}"
        )
    name = "freeze_at_anneal" if plain else f"freeze_at_anneal_{recipe.name}"
    return replace(recipe, name=name, region=region, phases=(*phases, _frozen(recipe, end)))


def _check(recipe: Recipe, last: Phase) -> None:
    lost = {
        "a teacher, which would be the network itself": last.needs_teacher,
        "weights that are rewound and frozen": last.rewound_weights is not None,
    }
    found = [name for name, there in lost.items() if there]
    if found:
        raise Refused(f"{recipe.slug} cannot be annealed: it ends with {' and '.join(found)}")


def _frozen(recipe: Recipe, end: Phase) -> Phase:
    """The anneal with the protected region frozen, which then decays no more."""
    if isinstance(end.objectives, Mapping) or PROTECT in end.perturbed:
        raise Refused(
            f"{recipe.slug} trains its region by rules of its own to the end: anneal it without a "
            "region, or freeze it before"
        )
    decays = end.weight_decay
    if isinstance(decays, Mapping):
        decays = {label: own for label, own in decays.items() if label != PROTECT} or None
    frozen = tuple(dict.fromkeys((*end.frozen, PROTECT)))
    return replace(end, frozen=frozen, weight_decay=decays)
