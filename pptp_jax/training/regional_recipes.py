"""Recipes of PPTP: the protected region is trained by other rules than the rest."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from pptp_jax.objectives import Objective, TaskLoss
from pptp_jax.regions import GENERAL, PROTECT, Region
from pptp_jax.release import Release
from pptp_jax.training.beginnings import Rewind, RewindWeights
from pptp_jax.training.gradient_rules import Number, Perturbation, Perturbed
from pptp_jax.training.phase import Phase
from pptp_jax.training.recipe import Recipe
from pptp_jax.validation import Refused, not_negative


def freeze(
    region: Region = "not head", after: int = 2, more: int = 8, defence: Objective | None = None
) -> Recipe:
    """PPTP `freeze`: the entire network learns for some epochs, then the region is frozen.

    The recipe to begin with for dense networks on records: its defaults are what won there, against
    tuned rivals (docs/findings.md); for images see `annealed`. Choose `after` by the accuracy that
    is needed: the fewer epochs, the less leaks.

    Args:
        region: what is protected by freezing it early.
        after: the epochs of the first phase, with cross-entropy, after which the region is frozen.
        more: the epochs of the second phase, which trains the rest on.
        defence: the objective of the second phase; None goes on with cross-entropy.

    Examples:
        >>> freeze("shallow", after=1, more=8).slug
        'freeze_1+8_shallow'
    """
    going_on = TaskLoss() if defence is None else defence
    first = Phase(epochs=after, objectives=TaskLoss())
    second = Phase(epochs=more, objectives=going_on, frozen=(PROTECT,))
    return _recipe("freeze", (first, second), region, defence)


def freeze_in_turn(stops: Mapping[str, int], epochs: int) -> Recipe:
    """PPTP `freeze` in its general form: every block has a stopping time of its own.

    Each stop begins a phase, with a learning rate that starts again.

    Args:
        stops: for each block that stops early, the epochs after which it does.
        epochs: how long the other blocks learn.

    Raises:
        ValueError: if a block would stop before the first epoch or after the last.

    Examples:
        >>> freeze_in_turn({"stem": 1, "stage1": 2}, epochs=9).slug
        'freeze_in_turn_1+1+7_stem@after1+stage1@after2'
    """
    times = sorted(set(stops.values()))
    if not times or times[0] < 1 or times[-1] >= epochs:
        raise Refused(
            f"blocks stop after 1 to {epochs - 1} of the {epochs} epochs, got {dict(stops)}"
        )
    region = {
        f"after{time}": tuple(block for block, stop in stops.items() if stop == time)
        for time in times
    }
    labels = list(region)
    bounds = [0, *times, epochs]
    phases = tuple(
        Phase(epochs=end - start, objectives=TaskLoss(), frozen=tuple(labels[:i]))
        for i, (start, end) in enumerate(pairwise(bounds))
    )
    return _recipe("freeze_in_turn", phases, region)


def pretrained(region: Region | None, before: int, more: int) -> Recipe:
    """The network learns from reference examples first; then the region is frozen.

    What is frozen has never seen a member, so it tells nothing of them. Whether that beats going on
    with all of a pretrained network is what `pretrained(None, ...)` is the control for.

    Args:
        region: what keeps the values learned from the reference examples; None goes on with all.
        before: the epochs over the reference examples.
        more: the epochs over the members.

    Examples:
        >>> pretrained("shallow", before=10, more=8).slug
        'pretrained_10+8_shallow'
    """
    first = Phase(epochs=before, objectives=TaskLoss(), examples="reference")
    frozen = () if region is None else (PROTECT,)
    second = Phase(epochs=more, objectives=TaskLoss(), frozen=frozen)
    return _recipe("pretrained", (first, second), region)


def split(
    region: Region, defence: Objective, epochs: int, release: Release | None = None
) -> Recipe:
    """PPTP `split`: the region follows the defence, the rest cross-entropy, from one forward pass.

    Args:
        region: what the defence trains.
        defence: the objective of the region.
        epochs: how long.
        release: the defence's part at test time; None releases the logits as they are.

    Examples:
        >>> from pptp_jax.objectives import RelaxLoss
        >>> split("stem", RelaxLoss(alpha=1.0), epochs=30).slug
        'split_30_stem_relaxloss_1'
    """
    objectives = {PROTECT: defence, GENERAL: TaskLoss()}
    phase = Phase(epochs=epochs, objectives=objectives)
    return replace(_recipe("split", (phase,), region, defence), release=release)


def rewind(
    region: Region, defence: Objective, epochs: int, retrain: int, *, rewinding: bool = True
) -> Recipe:
    """PPTP `rewind`: after plain training the region starts again and learns under the defence.

    Args:
        region: what is taken back to its initial values; the rest is frozen from then on.
        defence: the objective of the second phase.
        epochs: the epochs of the first phase, with cross-entropy.
        retrain: the epochs of the second phase.
        rewinding: whether the region starts again; False goes on from what it has learned, the
            control that tells what rewinding does.

    Examples:
        >>> from pptp_jax.objectives import RelaxLoss
        >>> rewind("shallow", RelaxLoss(alpha=1.0), epochs=30, retrain=30).slug
        'rewind_30+30_shallow_relaxloss_1'
    """
    first = Phase(epochs=epochs, objectives=TaskLoss())
    second = Phase(
        epochs=retrain,
        objectives=defence,
        start=(Rewind(PROTECT),) if rewinding else (),
        frozen=(GENERAL,),
    )
    return _recipe("rewind" if rewinding else "retrain", (first, second), region, defence)


def finish(region: Region, defence: Objective, epochs: int, more: int) -> Recipe:
    """PPTP `finish`: the defence trains the entire network, then the region is frozen.

    Args:
        region: what is frozen once the defence has trained it.
        defence: the objective of the first phase.
        epochs: the epochs of the first phase.
        more: the epochs of the second phase, which trains the rest on with cross-entropy.

    Examples:
        >>> from pptp_jax.objectives import RelaxLoss
        >>> finish("shallow", RelaxLoss(alpha=1.0), epochs=30, more=4).slug
        'finish_30+4_shallow_relaxloss_1'
    """
    first = Phase(epochs=epochs, objectives=defence)
    second = Phase(epochs=more, objectives=TaskLoss(), frozen=(PROTECT,))
    return _recipe("finish", (first, second), region, defence)


def perturb(region: Region, perturbation: Perturbation, epochs: int) -> Recipe:
    """PPTP `perturb`: the gradient of the region alone is clipped, noised, dropped or scaled.

    Noise on a region alone gives **no ε for the model**: what the rest has learned from the members
    is released as it is.

    Args:
        region: whose gradient is perturbed.
        perturbation: how.
        epochs: how long.

    Examples:
        >>> perturb("shallow", Perturbation(scale=0.1), epochs=8).slug
        'perturb_8_shallow_scale_0.1'
    """
    phase = Phase(epochs=epochs, objectives=TaskLoss(), gradient=Perturbed({PROTECT: perturbation}))
    given = {name: value for name, value in vars(perturbation).items() if value is not None}
    recipe = _recipe("perturb", (phase,), region)
    if len(given) == 1:  # one number, which a sweep may move
        [(name, strength)] = given.items()
        return replace(recipe, defence=name, strength=float(strength))
    return replace(recipe, defence=" ".join(f"{name} {value:g}" for name, value in given.items()))


def decay(epochs: int, weight_decay: Number, region: Region | None = None) -> Recipe:
    """Cross-entropy with a weight decay, for the entire network or for one region.

    On the entire network it is the rival to tune first; on a region the rest keeps the decay of the
    study's `SGD`. Behind a batch norm, decay sets the effective learning rate: see
    `pptp_jax.transforms.decay_region`. Different decays share one compiled program.

    Args:
        epochs: how long.
        weight_decay: what is added to the gradient, times the weights.
        region: where; None decays all of the network.

    Raises:
        ValueError: if the decay is negative or no number.

    Examples:
        >>> decay(30, 0.005).slug, decay(30, 0.01, "deep").slug
        ('decay_30_weight_decay_0.005', 'decay_30_deep_weight_decay_0.01')
    """
    not_negative(weight_decay=weight_decay)
    own = weight_decay if region is None else {PROTECT: weight_decay}
    phase = Phase(epochs=epochs, objectives=TaskLoss(), weight_decay=own)
    recipe = _recipe("decay", (phase,), region)
    return replace(recipe, defence="weight_decay", strength=float(weight_decay))


def cwrf(
    weights: RewindWeights,
    defence: Objective,
    epochs: int,
    more: int,
    region: Region | None = None,
) -> Recipe:
    """CWRF: the most vulnerable weights are rewound and frozen, the rest is fine-tuned.

    Not PPTP but its sibling, on single weights, or on channels, in place of regions.

    Args:
        weights: how weights are scored, which share is chosen, and whether channels are.
        defence: the objective of the second phase.
        epochs: the epochs of the first phase, with cross-entropy.
        more: the epochs of the second phase.
        region: where they are chosen; None is all of the network.

    References:
        The ICLR 2026 paper "CWRF", https://arxiv.org/abs/2603.13186

    Examples:
        >>> from pptp_jax.objectives import RelaxLoss
        >>> cwrf(RewindWeights(share=0.1), RelaxLoss(alpha=1.0), epochs=30, more=10).slug
        'cwrf-0.1_30+10_relaxloss_1'
        >>> channels = RewindWeights(share=0.05, by="channel", reference_weight=0.0)
        >>> cwrf(channels, TaskLoss(), epochs=30, more=3, region="stage3").slug
        'cwrf-0.05-channels_30+3_stage3_task_loss'
    """
    if region is not None:
        weights = replace(weights, region=PROTECT)
    first = Phase(epochs=epochs, objectives=TaskLoss())
    second = Phase(epochs=more, objectives=defence, start=(weights,))
    return _recipe(f"cwrf {weights.words}", (first, second), region, defence)


def _recipe(
    name: str, phases: tuple[Phase, ...], region: Region | None, defence: Objective | None = None
) -> Recipe:
    if defence is None:
        return Recipe(name=name, phases=phases, region=region)
    return Recipe(
        name=name,
        phases=phases,
        region=region,
        defence=defence.name,
        strength=defence.strength,
    )
