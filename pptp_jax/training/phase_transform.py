"""A phase's rules as one optax transform, and which blocks of the network still learn."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import optax
from jaxtyping import Array, Int

from pptp_jax.models import Model
from pptp_jax.regions import GENERAL, PROTECT, RegionMap
from pptp_jax.training.gradient_rules import Private
from pptp_jax.training.optimizer import PhaseOptimizer, Scheduled
from pptp_jax.training.phase import Phase
from pptp_jax.training.vulnerability import VULNERABLE, as_region
from pptp_jax.transforms import (
    RegionClip,
    RegionWeights,
    decay_region,
    freeze_region,
    pptp,
    private_region_noise,
)
from pptp_jax.transforms.apply import apply_to_regions

# What a private phase trains on no example, by what the other regions have learned.
DERIVED = "derived"

_EVERYTHING = RegionMap.from_rules([(".*", PROTECT)])


def transform(
    optimizer: PhaseOptimizer,
    phase: Phase,
    steps: int | Int[Array, ""],
    regions: RegionMap | None,
    vulnerable: Any,
    batch_size: float,
    blind: str | None = None,
) -> optax.GradientTransformationExtraArgs:
    """The optax transform of a phase.

    Args:
        optimizer: makes the transform that the rules are put around.
        phase: the rules.
        steps: the number of steps of the schedule.
        regions: the recipe's regions.
        vulnerable: the mask of the weights that stay at their initial values; None if there are
            none.
        batch_size: what the noisy sum of a private phase is divided by: the expected size.
        blind: the task's `blind` parameters.
    """
    tx = _inner(optimizer, phase, steps, regions)
    if isinstance(phase.gradient, Private):
        clip = private_clip(phase, regions, blind)
        noise = private_region_noise(clip, phase.gradient.noise_multiplier, batch_size=batch_size)
        names = clip.region_map.names
        if DERIVED in names:
            others = [label for label in names if label != DERIVED]
            noise = apply_to_regions(noise, clip.region_map, others)
        tx = optax.chain(noise, tx)
    if regions is not None:
        for label, rule in phase.perturbed.items():
            tx = pptp(tx, regions, label, **vars(rule))
        if phase.frozen:
            trained = [label for label in regions.names if label not in phase.frozen]
            tx = optax.chain(
                apply_to_regions(tx, regions, trained),
                *(freeze_region(regions, label) for label in phase.frozen),
            )
    if vulnerable is not None:
        tx = optax.chain(tx, freeze_region(as_region(vulnerable), VULNERABLE))
    return optax.with_extra_args_support(tx)


def _inner(
    optimizer: PhaseOptimizer,
    phase: Phase,
    steps: int | Int[Array, ""],
    regions: RegionMap | None,
) -> optax.GradientTransformation:
    """The optimiser with the schedule and the weight decay of the phase."""
    if phase.schedule is None and phase.weight_decay is None:
        return optimizer(steps)
    assert isinstance(optimizer, Scheduled)  # `check_optimizer`
    own = optimizer
    if phase.schedule is not None:
        own = replace(own, schedule=phase.schedule)
    decays = phase.weight_decay
    if decays is None:
        return own(steps)
    if not isinstance(decays, Mapping):
        return replace(own, weight_decay=decays)(steps)
    assert regions is not None  # a recipe that names regions has them
    numbers = {label: decays.get(label, own.weight_decay) for label in regions.names}
    each = [decay_region(regions, label, number) for label, number in numbers.items()]
    return own(steps, decay=optax.chain(*each))


def private_clip(phase: Phase, regions: RegionMap | None, blind: str | None = None) -> RegionClip:
    """The clipping of a private phase: all that it trains is one private region.

    Parameters that see no example are another, `DERIVED`, unless they are frozen.

    Args:
        phase: the rules.
        regions: the recipe's regions; without any, all of the network is trained.
        blind: the pattern of the parameters that see no example; see `Task.blind`.
    """
    assert isinstance(phase.gradient, Private)
    known = _EVERYTHING if regions is None else regions
    rules = [(rule, GENERAL if label in phase.frozen else PROTECT) for rule, label in known.rules]
    if blind is not None:
        own = {blind, f"(?:{blind})"}  # as `protect` writes the part
        frozen = any(rule in own and label == GENERAL for rule, label in rules)
        others = [pair for pair in rules if pair[0] not in own]
        rules = [(blind, GENERAL if frozen else DERIVED), *others]
    weights = RegionWeights(known, phase.weighted) if phase.weighted else None
    return RegionClip(RegionMap(tuple(rules)), PROTECT, phase.gradient.max_norm, weights=weights)


def learning(model: Model, phase: Phase, labels: object) -> bool | tuple[str, ...]:
    """The blocks that are in training mode: all but those frozen, or with fixed statistics, entire.

    Args:
        model: the network.
        phase: the rules.
        labels: the tree of the parameters' region labels.
    """
    still = {*phase.frozen, *phase.fixed_statistics}
    if not still or not model.blocks:
        return True
    blocks = RegionMap.from_rules([(block, block.name) for block in model.blocks]).labels(labels)
    moving = {
        block
        for block, label in zip(jax.tree.leaves(blocks), jax.tree.leaves(labels), strict=True)
        if label not in still
    }
    return tuple(block.name for block in model.blocks if block.name in moving)
