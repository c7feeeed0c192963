"""A phase's rules as one optax transform, and which blocks of the network still learn."""

from typing import Any

import jax
import optax
from jaxtyping import Array, Int

from pptp_jax.models import Model
from pptp_jax.regions import GENERAL, PROTECT, RegionMap
from pptp_jax.training.gradient_rules import Private
from pptp_jax.training.optimizer import PhaseOptimizer
from pptp_jax.training.phase import Phase
from pptp_jax.training.vulnerability import VULNERABLE, as_region
from pptp_jax.transforms import RegionClip, freeze_region, pptp, private_region_noise
from pptp_jax.transforms.apply import apply_to_regions

_EVERYTHING = RegionMap.from_rules([(".*", PROTECT)])


def transform(
    optimizer: PhaseOptimizer,
    phase: Phase,
    steps: int | Int[Array, ""],
    regions: RegionMap | None,
    vulnerable: Any,
    batch_size: float,
) -> optax.GradientTransformationExtraArgs:
    """What a phase makes of gradients.

    Args:
        optimizer: makes the transform that the rules are put around.
        phase: the rules.
        steps: the number of steps of the schedule.
        regions: the recipe's regions.
        vulnerable: the mask of the weights that stay at their initial values; None if there are
            none.
        batch_size: what the noisy sum of a private phase is divided by: the expected size.
    """
    tx = optimizer(steps)
    if isinstance(phase.gradient, Private):
        clip = private_clip(phase, regions)
        noise = private_region_noise(clip, phase.gradient.noise_multiplier, batch_size=batch_size)
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


def private_clip(phase: Phase, regions: RegionMap | None) -> RegionClip:
    """How a private phase clips: all that it trains is one private region, whatever it is called.

    Args:
        phase: the rules.
        regions: the recipe's regions; without any, all of the network is trained.
    """
    assert isinstance(phase.gradient, Private)
    known = _EVERYTHING if regions is None else regions
    rules = [(rule, GENERAL if label in phase.frozen else PROTECT) for rule, label in known.rules]
    return RegionClip(RegionMap(tuple(rules)), PROTECT, phase.gradient.max_norm)


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
