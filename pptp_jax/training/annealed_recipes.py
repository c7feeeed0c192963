"""Recipes with a trunk at a constant learning rate, followed by an anneal or an average."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pptp_jax.regions import GENERAL, PROTECT, Region
from pptp_jax.training.averages import Average
from pptp_jax.training.beginnings import Restore, RewindWeights
from pptp_jax.training.gradient_rules import Number
from pptp_jax.training.phase import Phase
from pptp_jax.training.recipe import Recipe
from pptp_jax.training.recipes import undefended
from pptp_jax.training.side_by_side import Fork
from pptp_jax.validation import Refused, at_least, one_of
from pptp_jax.validation.faults import faults


def annealed(
    trunk: int | Recipe,
    anneal: int = 3,
    region: Region | None = None,
    weights: RewindWeights | None = None,
) -> Recipe:
    """A trunk at a constant learning rate, and an anneal, in which the rate falls to zero linearly.

    Early stopping with an anneal of its own. Around `decay` with a strong weight decay it is the
    recipe to begin with on images: membership comes in the anneal, so its length is the dial
    (docs/findings.md).

    All stops are branches of one trunk: list the longest first in a study, and the trunk is trained
    once, bit for bit as if each recipe were alone. The anneal is a phase, so momentum begins again.

    Args:
        trunk: the epochs of plain training, or any recipe, whose phases get a constant rate and
            whose last phase sets the rules of the anneal: `annealed(freeze("stage3", 10, 4))`
            freezes after 10 of 14 epochs and in the anneal.
        anneal: the epochs of the anneal.
        region: what is frozen in the anneal alone; None freezes nothing more.
        weights: freezes in the anneal not all of the region, or of the network, but its most
            vulnerable weights or channels, as `cwrf` does.

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
        >>> from pptp_jax.training import RewindWeights
        >>> channels = RewindWeights(share=0.2, by="channel", reference_weight=0.0, rewinding=False)
        >>> annealed(30, region="stage3", weights=channels).slug
        'cwrf-0.2-channels-frozen-at-anneal_30+3_stage3'
    """
    at_least(1, anneal=anneal)
    recipe, end = _behind(trunk, region)
    end = replace(end, epochs=anneal, schedule="linear")
    if weights is not None:
        own = weights if region is None else replace(weights, region=PROTECT)
        return _ended(f"cwrf {weights.words} at anneal", recipe, replace(end, start=(own,)), region)
    if region is None:
        return _ended("annealed", recipe, end)
    return _ended("freeze_at_anneal", recipe, _frozen(recipe, end, PROTECT), region)


def averaged(
    trunk: int | Recipe, more: int, decay: Number | None = None, region: Region | None = None
) -> Recipe:
    """A trunk at a constant learning rate that goes on while its networks are averaged: SWA or EMA.

    What is released is the average, which needs no anneal: a rival to `annealed`. With a region,
    the region alone is averaged, and the rest is what the last step leaves; `annealed(averaged(...,
    region=r), region=r)` then anneals the rest.

    Args:
        trunk: the epochs of plain training, or any recipe, whose phases get a constant rate.
        more: the epochs over which networks are averaged, one a step.
        decay: the share of the average that a step keeps (EMA); None weights all alike (SWA).
        region: what is averaged; None averages all of the network.

    Raises:
        ValueError: as `annealed`.

    Examples:
        >>> averaged(20, more=5).slug, averaged(20, more=10, decay=0.995, region="deep").slug
        ('swa_20+5', 'ema_20+10_deep')
    """
    at_least(1, more=more)
    recipe, end = _behind(trunk, region)
    average = Average(decay=decay, regions=() if region is None else (PROTECT,))
    end = replace(end, epochs=more, schedule="constant", average=average)
    return _ended("swa" if decay is None else "ema", recipe, end, region)


def forked(
    trunk: int | Recipe, anneal: int = 6, parts: int = 2, region: Region | None = None
) -> Recipe:
    """A trunk, copies of it that anneal on disjoint parts of the members, and the copies' mean.

    Args:
        trunk: the epochs of plain training, or any recipe, whose phases get a constant rate.
        anneal: the epochs of the anneal, each over the part that a copy has: with two parts, six
            are as many steps as three of `annealed`.
        parts: how many copies there are.
        region: what anneals, and is averaged, while the rest is frozen; None is all of the network.

    Raises:
        ValueError: as `annealed`.

    Examples:
        >>> forked(30).slug, forked(30, anneal=12, parts=4, region="deep").slug
        ('forked-2_30+6', 'forked-4_30+12_deep')
    """
    at_least(1, anneal=anneal)
    recipe, end = _behind(trunk, region)
    end = replace(end, epochs=anneal, schedule="linear", fork=Fork(parts=parts))
    if region is not None:
        end = _frozen(recipe, end, GENERAL)
    return _ended(f"forked {parts}", recipe, end, region)


def restored(
    trunk: int | Recipe,
    to: int,
    more: int,
    region: Region,
    learns: Literal["rest", "region"] = "rest",
) -> Recipe:
    """A trunk at a constant rate; a region goes back to an early epoch, and the rest anneals on it.

    Weights and running statistics of the region go back. Then the rest learns on, with the region
    frozen, while the rate falls to zero linearly; or the region alone learns again.
    `annealed(restored(...), anneal=3)` goes on at the constant rate for `more` epochs, and anneals
    behind that.

    Recipes that differ in `to` alone share all of the trunk with each other and with `annealed`: in
    a study they are branches of one trunk, and points of one method. Their names write the phase
    behind as `3@7`: three epochs around a region of epoch 7.

    Args:
        trunk: the epochs of plain training, or any recipe, whose phases get a constant rate.
        to: the epoch of the trunk to which the region goes back, counted from 1. The last one would
            change nothing: that is `annealed(trunk, more, region)`.
        more: the epochs behind.
        region: what goes back.
        learns: whether the `rest` learns then, or the `region`.

    Raises:
        ValueError: as `annealed`; or if `to` is no epoch of the trunk before its last.

    References:
        Stephenson et al., "On the geometry of generalization and memorization in deep neural
        networks", ICLR 2021, https://arxiv.org/abs/2105.14602, where the last layers go back. What
        learns on behind, and the anneal, are ours.

    Examples:
        >>> restored(30, to=7, more=3, region="stage3").slug
        'restored_30+3@7_stage3'
        >>> annealed(restored(30, to=7, more=5, region="stage3"), anneal=3).slug
        'annealed_restored_30+5@7+3_stage3'
        >>> restored(30, to=7, more=3, region="stage3", learns="region").slug
        'relearned_30+3@7_stage3'
    """
    at_least(1, to=to, more=more)
    one_of(("rest", "region"), learns=learns)
    recipe, end = _behind(trunk, region)
    epochs = sum(int(phase.epochs) for phase in recipe.phases)
    if to >= epochs:
        raise Refused(
            f"to must be an epoch of the trunk before its last, 1 to {epochs - 1}, got {to}"
        )
    back = (Restore(region=PROTECT, after=to),)
    end = replace(end, epochs=more, schedule="linear", start=back)
    still, name = (PROTECT, "restored") if learns == "rest" else (GENERAL, "relearned")
    if {*end.frozen} - {still}:
        raise Refused(f"{recipe.slug} ends with the {learns} frozen, so nothing would learn behind")
    return _ended(name, recipe, _frozen(recipe, end, still), region)


def _behind(trunk: int | Recipe, region: Region | None) -> tuple[Recipe, Phase]:
    """The trunk at a constant rate, and the rules of its last phase for the next one."""
    recipe = trunk if isinstance(trunk, Recipe) else undefended(trunk)
    last = recipe.phases[-1]
    _check(recipe, last)
    if region is not None and recipe.region not in (None, region):
        raise Refused(
            f"{recipe.slug} has the region {recipe.region!r}, and a recipe has one map of regions: "
            f"freeze that in the anneal, or nothing; got {region!r}"
        )
    phases = tuple(replace(phase, schedule="constant") for phase in recipe.phases)
    return replace(recipe, phases=phases), replace(last, start=(), fork=None, average=None)


def _ended(name: str, recipe: Recipe, end: Phase, region: Region | None = None) -> Recipe:
    """The trunk with the phase behind it, under the name of both."""
    plain = recipe.name in ("undefended", "early_stopped")
    return replace(
        recipe,
        name=name if plain else f"{name}_{recipe.name}",
        region=recipe.region if region is None else region,
        phases=(*recipe.phases, end),
    )


def _check(recipe: Recipe, last: Phase) -> None:
    lost = {
        "a teacher, which would be the network itself": last.needs_teacher,
        "weights that are rewound and frozen": last.rewound_weights is not None,
    }
    if found := faults(lost):
        raise Refused(f"{recipe.slug} cannot be annealed: it ends with {found}")


def _frozen(recipe: Recipe, end: Phase, label: str) -> Phase:
    """The anneal with a region frozen, which then decays no more."""
    if isinstance(end.objectives, Mapping) or label in end.perturbed:
        raise Refused(
            f"{recipe.slug} trains its region by rules of its own to the end: anneal it without a "
            "region, or freeze it before"
        )
    decays = end.weight_decay
    if isinstance(decays, Mapping):
        decays = {name: own for name, own in decays.items() if name != label} or None
    frozen = tuple(dict.fromkeys((*end.frozen, label)))
    return replace(end, frozen=frozen, weight_decay=decays)
