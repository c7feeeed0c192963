"""The ε of each member of a recipe, where members join batches or are clipped unequally."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from pptp_jax.models import Model
from pptp_jax.privacy import Guarantee, PoissonSampling, epsilon
from pptp_jax.study.guarantee import guarantee, ledger
from pptp_jax.training import Phase, Poisson, Private, Recipe

_LEAST = 1e-9  # of a norm, so that a noise multiplier stays finite


def individual_guarantees(
    recipe: Recipe, model: Model, members: int, batch_size: int
) -> tuple[Guarantee, ...] | None:
    """The ε of each member, by its place among the members, at δ = 1 / (10 · members).

    Each covers that member, whatever the others' examples are; all rates and norms count as public.
    The `guarantee` of the model is that of a member with the highest rate and the largest norm.

    Args:
        recipe: how a model is trained.
        model: the network.
        members: how many examples it trains on.
        batch_size: the members in a step.

    Returns:
        The guarantees (members,). None where all members are alike, or where the model has none.

    Raises:
        ValueError: as `guarantee`.
        ImportError: if dp-accounting is not installed.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import dp_sgd
        >>> sampled = Poisson(rate=[0.2] * 50 + [0.05] * 50)
        >>> recipe = dp_sgd(Private(noise_multiplier=4.0), epochs=2, batches=sampled)
        >>> sizes = {"members": 100, "batch_size": 10}
        >>> each = individual_guarantees(recipe, mlp([8], num_classes=2), **sizes)
        >>> [round(each[place].epsilon, 2) for place in (0, 99)]
        [0.56, 0.1]
    """
    phases = [phase for phase in recipe.phases if phase.sees_members]
    if guarantee(recipe, model, members, batch_size) is None:
        return None
    own = np.array([_numbers(phase, members, batch_size) for phase in phases])
    kinds, places = np.unique(own.reshape(-1, members), axis=1, return_inverse=True)
    if len(kinds.T) < 2:
        return None
    found = []
    for kind in kinds.T.reshape(-1, len(phases), 2):
        ledgers = []
        for phase, (rate, norm) in zip(phases, kind.tolist(), strict=True):
            one = ledger(phase, recipe, model, members, batch_size)
            assert isinstance(phase.gradient, Private)  # or there would be no guarantee
            sigma = float(phase.gradient.noise_multiplier) / max(norm, _LEAST)
            sampling = one.sampling
            if isinstance(sampling, PoissonSampling):
                sampling = replace(sampling, rate=rate)
            ledgers.append(replace(one, noise_multiplier=sigma, sampling=sampling))
        found.append(epsilon(ledgers, delta=1 / (10 * members)))
    return tuple(found[kind] for kind in places.ravel())


def _numbers(phase: Phase, members: int, batch_size: int) -> Float[np.ndarray, "2 members"]:
    """The rate and the relative norm of each member."""
    rates = norms = np.ones(members)
    if isinstance(phase.batches, Poisson):
        rates = phase.batches.rates(members, batch_size)
    if isinstance(phase.gradient, Private) and phase.gradient.relative_norms is not None:
        norms = np.array(phase.gradient.relative_norms)
    return np.stack([rates, norms])
