"""The ε of a recipe in a study, where it has one: printed beside every private result."""

from pptp_jax.models import Model
from pptp_jax.privacy import Guarantee, Ledger, ShuffledBatches, epsilon
from pptp_jax.training import Phase, Recipe
from pptp_jax.training.rules import private_clip


def guarantee(recipe: Recipe, model: Model, members: int, batch_size: int) -> Guarantee | None:
    """The ε of each model that a recipe trains in shuffled batches, at δ = 1 / (10 · members).

    It is that of the released network alone. The study releases the losses of the training as
    well, and its attacks know who may be a member, which no ε covers.

    Args:
        recipe: how a model is trained.
        model: the network.
        members: how many examples it trains on.
        batch_size: the members in a step.

    Returns:
        The guarantee; None where a phase is not private, or adds no noise, so that there is none.

    Raises:
        ImportError: if dp-accounting is not installed.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import Private, dp_sgd
        >>> recipe = dp_sgd(Private(noise_multiplier=4.0), epochs=2)
        >>> print(guarantee(recipe, mlp([8], num_classes=2), members=1000, batch_size=100))
        ε = 1.14 at δ = 0.0001 (one example's gradients set to zero; pld)
    """
    rules = [phase.private for phase in recipe.phases]
    if any(private is None or float(private.noise_multiplier) == 0 for private in rules):
        return None
    ledgers = [_ledger(recipe, phase, model, members, batch_size) for phase in recipe.phases]
    return epsilon(ledgers, delta=1 / (10 * members))


def _ledger(recipe: Recipe, phase: Phase, model: Model, members: int, batch_size: int) -> Ledger:
    assert phase.private is not None
    clip = private_clip(phase, recipe.regions(model))
    return Ledger.of(
        clip,
        noise_multiplier=float(phase.private.noise_multiplier),
        sampling=ShuffledBatches(
            batch_size=batch_size,
            dataset_size=members,
            steps=int(phase.epochs) * (members // batch_size),
        ),
        # At initial values, or at what an earlier phase, private as well, has released.
        frozen=tuple(label for label in clip.region_map.names if label not in clip.labels),
        statistics="none",  # a model that keeps any is refused before training
    )
