"""The recipes that a study chooses from."""

from dataclasses import replace

from pptp_jax.objectives import CrossEntropy, Objective
from pptp_jax.regions import GENERAL, PROTECT, RegionMap
from pptp_jax.training.recipe import Phase, Recipe

Region = str | tuple[str, ...] | RegionMap


def undefended(epochs: int) -> Recipe:
    """Cross-entropy on the whole network, to the end of its schedule.

    Examples:
        >>> undefended(30).slug
        'undefended_30'
    """
    return Recipe(name="undefended", phases=(Phase(epochs=epochs, objectives=CrossEntropy()),))


def early_stopped(epochs: int) -> Recipe:
    """Cross-entropy on the whole network for fewer epochs: the control that is hard to beat.

    The learning-rate schedule ends with the training, which keeps more accuracy than a longer
    schedule cut off at the same epoch.

    Examples:
        >>> early_stopped(2).slug
        'early_stopped_2'
    """
    return replace(undefended(epochs), name="early_stopped")


def whole_network(defence: Objective, epochs: int) -> Recipe:
    """A defence objective on the whole network.

    Examples:
        >>> from pptp_jax.objectives import RelaxLoss
        >>> whole_network(RelaxLoss(alpha=1.0), epochs=30).slug
        'whole_network_30_relaxloss_1'
    """
    return Recipe(
        name="whole_network",
        phases=(Phase(epochs=epochs, objectives=defence),),
        defence=defence.name,
        strength=defence.strength,
    )


def freeze(region: Region, after: int, more: int) -> Recipe:
    """PPTP `freeze`: all of the network learns for a while, then the region stops.

    Args:
        region: what is protected by freezing it early.
        after: the epochs of the first phase, after which the region is frozen.
        more: the epochs of the second phase, which trains the rest on.

    Examples:
        >>> freeze("shallow", after=1, more=8).slug
        'freeze_1+8_shallow'
    """
    first = Phase(epochs=after, objectives=CrossEntropy())
    second = Phase(epochs=more, objectives=CrossEntropy(), frozen=(PROTECT,))
    return Recipe(name="freeze", phases=(first, second), region=region)


def split(region: Region, defence: Objective, epochs: int) -> Recipe:
    """PPTP `split`: the region follows the defence, the rest cross-entropy, from one forward pass.

    Examples:
        >>> from pptp_jax.objectives import RelaxLoss
        >>> split("stem", RelaxLoss(alpha=1.0), epochs=30).slug
        'split_30_stem_relaxloss_1'
    """
    objectives = {PROTECT: defence, GENERAL: CrossEntropy()}
    return Recipe(
        name="split",
        phases=(Phase(epochs=epochs, objectives=objectives),),
        region=region,
        defence=defence.name,
        strength=defence.strength,
    )


def rewind(region: Region, defence: Objective, epochs: int, retrain: int) -> Recipe:
    """PPTP `rewind`: after plain training the region starts anew and learns under the defence.

    Args:
        region: what is taken back to its initial values; the rest is frozen from then on.
        defence: the objective of the second phase.
        epochs: the epochs of the first phase, with cross-entropy.
        retrain: the epochs of the second phase.

    Examples:
        >>> from pptp_jax.objectives import RelaxLoss
        >>> rewind("shallow", RelaxLoss(alpha=1.0), epochs=30, retrain=30).slug
        'rewind_30+30_shallow_relaxloss_1'
    """
    first = Phase(epochs=epochs, objectives=CrossEntropy())
    second = Phase(epochs=retrain, objectives=defence, rewound=(PROTECT,), frozen=(GENERAL,))
    return Recipe(
        name="rewind",
        phases=(first, second),
        region=region,
        defence=defence.name,
        strength=defence.strength,
    )
