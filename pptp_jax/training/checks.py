"""Check that a recipe fits its data, before anything is trained."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from pptp_jax.models import Model
from pptp_jax.objectives import TaskLoss
from pptp_jax.training.batches import Poisson
from pptp_jax.training.gradient_rules import Private
from pptp_jax.training.mesh import check_shares
from pptp_jax.training.optimizer import PhaseOptimizer, Scheduled
from pptp_jax.training.recipe import Recipe
from pptp_jax.training.unread import unread
from pptp_jax.validation import Refused, at_least
from pptp_jax.validation.faults import faults


def check_members(recipe: Recipe, members: int, batch_size: int) -> None:
    """Refuses a batch that the members of a model, or of an ensemble's sub-model, cannot fill.

    Raises:
        ValueError: naming both numbers; or if Poisson batches have not one rate for each member.

    Examples:
        >>> from pptp_jax.training import Ensemble, selena, undefended
        >>> check_members(undefended(1), 30, batch_size=64)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: a model has 30 members, too few for one batch of 64: ...
        >>> check_members(selena(1, 1, Ensemble(models=4, left_out=2)), 100, batch_size=64)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: a sub-model of selena has 50 members, too few for one batch ...
    """
    at_least(1, batch_size=batch_size)
    parts = {"a model": members}
    for phase in recipe.phases:
        if phase.networks > 1:
            kind = "client" if phase.clients else "copy" if phase.fork else "sub-model"
            parts[f"a {kind} of {recipe.name}"] = phase.part(members)
    for whose, number in parts.items():
        if number < batch_size:
            raise Refused(
                f"{whose} has {number} members, too few for one batch of {batch_size}: "
                "give more examples or a smaller batch_size"
            )
    for phase in recipe.phases:
        if phase.ensemble is None and phase.examples == "members":
            phase.batches.drawing(members, batch_size)


def check_clients(recipe: Recipe, indices: Int[np.ndarray, "models members"]) -> None:
    """Refuses models whose members do not make up the clients of a federation.

    Raises:
        ValueError: naming both numbers.

    Examples:
        >>> from pptp_jax.training import Federated, federated, undefended
        >>> recipe = federated(undefended(1), Federated(clients=2, owners=[0, 0, 1]))
        >>> check_clients(recipe, np.array([[0, 2]]))
    """
    for phase in recipe.phases:
        if phase.clients is not None:
            for members in indices:
                phase.clients.check(members)


def check_devices(recipe: Recipe, devices: int, batch_size: int) -> None:
    """Refuses devices that cannot share a model's batches, or the clients of its federation.

    Args:
        recipe: how the model is trained.
        devices: how many share it.
        batch_size: the members in a step.

    Raises:
        ValueError: naming both numbers.

    Examples:
        >>> from pptp_jax.training import Federated, federated, undefended
        >>> check_devices(federated(undefended(1), Federated(clients=3)), 2, batch_size=8)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: 2 devices cannot share 3 clients in equal parts: take ...
    """
    for phase in recipe.phases:
        if phase.clients is None:
            check_shares(devices, batch_size)
        elif phase.clients.clients % devices:
            raise Refused(
                f"{devices} devices cannot share {phase.clients.clients} clients in equal parts: "
                f"take a number of clients that {devices} divides, or other data_devices"
            )


def check_reference(recipe: Recipe, reference: int, batch_size: int) -> None:
    """Refuses a recipe that looks at reference examples where there are too few of them.

    Raises:
        ValueError: naming both numbers.

    Examples:
        >>> from pptp_jax.objectives import TaskLoss
        >>> from pptp_jax.training import Phase
        >>> phase = Phase(epochs=1, objectives=TaskLoss(), examples="reference")
        >>> check_reference(Recipe(name="mine", phases=(phase,)), 30, batch_size=64)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: mine needs at least 64 reference examples, a batch, and ...
    """
    if recipe.needs_reference and reference < batch_size:
        raise Refused(
            f"{recipe.name} needs at least {batch_size} reference examples, a batch, and there are "
            f"{reference}: set more aside with the `reference` of the study"
        )


def check_optimizer(recipe: Recipe, optimizer: PhaseOptimizer) -> None:
    """Refuses phases that change numbers of the optimiser where it has none to change.

    Raises:
        ValueError: naming the phase and what it changes.

    Examples:
        >>> import optax
        >>> from pptp_jax.training import annealed, phase_optimizer
        >>> check_optimizer(annealed(4, anneal=3), phase_optimizer(optax.adam(1e-3)))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: annealed_4+3: phase 1 has a schedule of its own, which ...
    """
    if isinstance(optimizer, Scheduled):
        return
    for number, phase in enumerate(recipe.phases, start=1):
        own = {"schedule": phase.schedule, "weight_decay": phase.weight_decay}
        found = [name for name, value in own.items() if value is not None]
        if found:
            raise Refused(
                f"{recipe.slug}: phase {number} has a {' and a '.join(found)} of its own, which "
                "only an optimizer=SGD(...) or AdamW(...) can take; an optax transform has its "
                "numbers where it is made"
            )


def check_streamed(recipe: Recipe, model: Model | None = None) -> None:
    """Refuses to stream for a recipe that looks at all members at once, or a model that sees rows.

    Args:
        recipe: how the model would be trained.
        model: the network; None looks at the recipe alone.

    Raises:
        ValueError: naming what does.

    Examples:
        >>> from pptp_jax.objectives import TaskLoss
        >>> from pptp_jax.training import RewindWeights, cwrf
        >>> check_streamed(cwrf(RewindWeights(share=0.1), TaskLoss(), epochs=1, more=1))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: cwrf 0.1 cannot be streamed: it needs vulnerable weights, ...
    """
    if model is not None and model.sees_rows:
        raise Refused(
            f"{recipe.name} cannot be streamed with this model, which trains by the rows at which "
            "examples stand in the data (tied_dropout): train it in memory with train_fleet"
        )
    for phase in recipe.phases:
        needed = {
            "an ensemble, whose parts are trained side by side": phase.ensemble is not None,
            "a fork, whose copies are trained side by side": phase.fork is not None,
            "clients, which are trained side by side": phase.clients is not None,
            "a teacher's answers for all examples": phase.needs_teacher,
            "vulnerable weights, which are found before any of its steps": phase.rewound_weights
            is not None,
            "Poisson batches, which vary in size": isinstance(phase.batches, Poisson),
            "clipping norms by member": isinstance(phase.gradient, Private)
            and phase.gradient.relative_norms is not None,
        }
        if found := faults(needed):
            raise Refused(
                f"{recipe.name} cannot be streamed: it needs {found}; train it in memory with "
                "train_fleet"
            )


def check_model(recipe: Recipe, model: Model, x: Any) -> None:
    """Refuses a recipe that does not fit a model, in training or at a query.

    Args:
        recipe: how it would be trained.
        model: the network.
        x: a batch, or its shape.

    Raises:
        ValueError: if the recipe needs classes and the model's task has none; if it mixes examples
            and the model sees which they are; or if it has a private phase and the model running
            statistics, which mix the examples, or a parameter that it does not use, which noise
            alone would move, or parameters that must see no example, and an objective of its own.

    Examples:
        >>> import jax.numpy as jnp
        >>> from pptp_jax.models import cnn
        >>> from pptp_jax.training import Private, dp_sgd
        >>> recipe = dp_sgd(Private(noise_multiplier=1.0), epochs=1)
        >>> normed = cnn([4], dense=8, num_classes=2, norm="batch")
        >>> check_model(recipe, normed, jnp.zeros((1, 8, 8, 1)))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: dp_sgd clips the gradient of each example alone, but the ...
    """
    parts = [objective for phase in recipe.phases for objective in phase.by_region.values()]
    for part in (*parts, recipe.release):
        if part is not None and part.needs_classes and not model.task.classes:
            raise Refused(
                f"{recipe.slug}: {part.name} is for classification, and the model's task is "
                f"{model.task.name}"
            )
    if model.sees_rows and any(phase.mixes for phase in recipe.phases):
        raise Refused(
            f"{recipe.slug} mixes examples, and the model gives each example channels of its own "
            "(tied_dropout), which a mixture has not: leave out one of them"
        )
    private = [phase for phase in recipe.phases if isinstance(phase.gradient, Private)]
    federated = any(phase.clients is not None for phase in recipe.phases)
    if not private and not federated:
        return
    own = [part for phase in private for part in phase.by_region.values()]
    own = [part for part in own if not isinstance(part, TaskLoss)]
    if model.task.blind is not None and own:
        raise Refused(
            f"{recipe.name}: {own[0].name} may show members to the parameters "
            f"{model.task.blind}, which get neither clip nor noise: take TaskLoss()"
        )
    key = jax.eval_shape(partial(jax.random.key, 0))
    running = jax.tree.leaves(jax.eval_shape(model.init, key, x).state)
    if running and federated:
        raise Refused(
            f"{recipe.name} sends updates of parameters, but the model keeps running statistics "
            "of a client's batches: take one with norm='group' in place of batch norm"
        )
    if not private:
        return
    if running:
        raise Refused(
            f"{recipe.name} clips the gradient of each example alone, but the model keeps running "
            "statistics of entire batches: take one with norm='group' in place of batch norm"
        )
    if unused := sorted(unread(model, x)):
        raise Refused(
            f"{recipe.name} would move {', '.join(unused)} by noise alone: no output of the model "
            "depends on it; leave it out of the parameters"
        )
