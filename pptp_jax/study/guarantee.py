"""The ε of a private recipe in a study, printed beside its results."""

from dataclasses import replace

import jax

from pptp_jax.models import Model
from pptp_jax.privacy import Guarantee, Ledger, PoissonSampling, ShuffledBatches, epsilon
from pptp_jax.regions import RegionMap
from pptp_jax.training import Phase, Poisson, Private, Recipe
from pptp_jax.training.phase_transform import DERIVED, private_clip

# The region of what all models share, in a ledger.
SHARED = "shared weights"


def guarantee(recipe: Recipe, model: Model, members: int, batch_size: int) -> Guarantee | None:
    """The ε of each model that a recipe trains, at δ = 1 / (10 · members).

    It is that of the released network alone. Weights that all models share are released with it:
    `Model.public` says whether they are public. The study releases the losses of the training as
    well, and its attacks know who may be a member, which no ε covers. It covers the members;
    reference examples count as public.

    Args:
        recipe: how a model is trained.
        model: the network.
        members: how many examples it trains on.
        batch_size: the members in a step.

    Returns:
        The guarantee; None where a phase that sees members is not private, or adds no noise, so
        that there is none.

    Raises:
        ValueError: if batches outgrow their padding with a probability of δ; or if the weights that
            all models share have seen members, or this is unknown.
        ImportError: if dp-accounting is not installed.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import dp_sgd
        >>> model, sizes = mlp([8], num_classes=2), {"members": 1000, "batch_size": 100}
        >>> print(guarantee(dp_sgd(Private(noise_multiplier=4.0), epochs=2), model, **sizes))
        ε = 1.14 at δ = 0.0001 (one example's gradients set to zero; pld)
        >>> sampled = dp_sgd(Private(noise_multiplier=4.0), epochs=2, batches=Poisson())
        >>> found = guarantee(sampled, model, **sizes)
        >>> found.neighbours, round(found.epsilon, 2)
        ('one example added or removed', 0.34)
    """
    found = ledgers(recipe, model, members, batch_size)
    return epsilon(found, delta=1 / (10 * members)) if found else None


def ledgers(recipe: Recipe, model: Model, members: int, batch_size: int) -> list[Ledger]:
    """The ledger of each phase that sees members; none if one of them is not private.

    Args:
        recipe: how a model is trained.
        model: the network.
        members: how many examples it trains on.
        batch_size: the members in a step.
    """
    seeing = [phase for phase in recipe.phases if phase.sees_members]
    if any(_noise(phase) == 0 for phase in seeing):
        return []
    return [ledger(phase, recipe, model, members, batch_size) for phase in seeing]


def ledger(phase: Phase, recipe: Recipe, model: Model, members: int, batch_size: int) -> Ledger:
    """The ledger of a private phase, read from the configuration that trained it.

    Args:
        phase: the phase; its gradient is private.
        recipe: the recipe that it belongs to.
        model: the network.
        members: how many examples it trains on.
        batch_size: the members in a step.
    """
    assert isinstance(phase.gradient, Private)
    clip = private_clip(phase, recipe.regions(model), model.task.blind)
    rest = [label for label in clip.region_map.names if label not in clip.labels]
    own = Ledger.of(
        clip,
        noise_multiplier=_noise(phase),
        sampling=_sampling(phase, members, batch_size),
        # At initial values, or at what an earlier phase has released, which was private or saw
        # reference examples alone.
        frozen=tuple(label for label in rest if label != DERIVED),
        derived=tuple(label for label in rest if label == DERIVED),
        statistics="none",  # a model that keeps any is refused before training
    )
    return own if not jax.tree.leaves(model.shared) else _with_shared(own, model.public)


def _with_shared(own: Ledger, public: bool | None) -> Ledger:
    """The ledger with the weights that all models share as one region more."""
    treated: dict[bool | None, dict[str, tuple[str, ...]]] = {
        True: {"frozen": (*own.frozen, SHARED)},
        False: {"clear": (*own.clear, SHARED)},
        None: {},
    }
    regions = RegionMap((*own.region_map.rules, (SHARED, SHARED)))
    return replace(own, region_map=regions, **treated[public])  # type: ignore[arg-type]


def _noise(phase: Phase) -> float:
    """The noise multiplier of the member that is clipped the least."""
    rule = phase.gradient
    if not isinstance(rule, Private):
        return 0.0
    return float(rule.noise_multiplier) / max(rule.relative_norms or (1.0,))


def _sampling(phase: Phase, members: int, batch_size: int) -> PoissonSampling | ShuffledBatches:
    drawing = phase.batches.drawing(members, batch_size)
    steps = int(phase.epochs) * drawing.steps
    if isinstance(phase.batches, Poisson):
        return PoissonSampling(rate=drawing.rate, steps=steps, overflow=drawing.overflow)
    return ShuffledBatches(batch_size=drawing.size, dataset_size=members, steps=steps)
