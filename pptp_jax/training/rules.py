"""A phase's rules as one optax transform, and which blocks of the network still learn."""

import jax
import optax
from jaxtyping import Array, Int

from pptp_jax.models import Model
from pptp_jax.regions import PROTECT, RegionMap
from pptp_jax.training.optimizer import Optimizer
from pptp_jax.training.phase import Phase
from pptp_jax.training.state import Memory
from pptp_jax.training.vulnerability import VULNERABLE, as_region
from pptp_jax.transforms import (
    RegionClip,
    apply_to_region,
    freeze_region,
    pptp,
    private_region_noise,
)

# Where a recipe knows no regions, all of the network is private or nothing is.
_EVERYTHING = RegionMap.from_rules([(".*", PROTECT)])


def transform(
    optimizer: Optimizer,
    phase: Phase,
    steps: int | Int[Array, ""],
    regions: RegionMap | None,
    memory: Memory | None,
    batch_size: int,
) -> optax.GradientTransformationExtraArgs:
    """What a phase makes of gradients.

    Args:
        optimizer: makes the transform that the rules are put around.
        phase: the rules.
        steps: the number of steps of the schedule.
        regions: the recipe's regions.
        memory: where the vulnerable weights stand; None as long as they are unknown.
        batch_size: what the noisy sum of a private phase is divided by.
    """
    tx = optimizer(steps)
    if phase.private is not None:
        noise = private_region_noise(
            private_clip(phase, regions), phase.private.noise_multiplier, batch_size=batch_size
        )
        tx = optax.chain(noise, tx)
    if regions is not None:
        for label, rule in phase.perturbed.items():
            tx = pptp(tx, regions, label, **vars(rule))
        if phase.frozen:
            tx = optax.chain(
                *(apply_to_region(tx, regions, label) for label in _trained(phase, regions)),
                *(freeze_region(regions, label) for label in phase.frozen),
            )
    if memory is not None and memory.vulnerable is not None:
        tx = optax.chain(tx, freeze_region(as_region(memory.vulnerable), VULNERABLE))
    return optax.with_extra_args_support(tx)


def private_clip(phase: Phase, regions: RegionMap | None) -> RegionClip:
    """How a private phase clips: over all that it trains together."""
    assert phase.private is not None
    known = _EVERYTHING if regions is None else regions
    return RegionClip(known, _trained(phase, known), phase.private.max_norm)


def learning(model: Model, phase: Phase, labels: object) -> bool | tuple[str, ...]:
    """The blocks that are in training mode: those that are not frozen whole.

    Args:
        model: the network.
        phase: the rules.
        labels: the tree of the parameters' region labels.
    """
    if not phase.frozen or not model.blocks:
        return True
    blocks = RegionMap.from_rules([(block, block.name) for block in model.blocks]).labels(labels)
    moving = {
        block
        for block, label in zip(jax.tree.leaves(blocks), jax.tree.leaves(labels), strict=True)
        if label not in phase.frozen
    }
    return tuple(block.name for block in model.blocks if block.name in moving)


def _trained(phase: Phase, regions: RegionMap) -> tuple[str, ...]:
    return tuple(label for label in regions.names if label not in phase.frozen)
