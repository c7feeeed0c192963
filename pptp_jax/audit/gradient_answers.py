"""The runs of an audit by gradient canaries: DP-SGD, observed at every step."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from pptp_jax import __version__
from pptp_jax.audit.canary_answers import CanaryAnswers
from pptp_jax.audit.gradient_canaries import (
    GradientCanaryAudit,
    PlantedGradients,
    trained_weights,
)
from pptp_jax.data import Arrays
from pptp_jax.fleets import Runtime
from pptp_jax.models import Variables, full_float32
from pptp_jax.storage.files import write_arrays
from pptp_jax.training import Private, Progress, Recipe, Shuffled, Trainer, phase_optimizer
from pptp_jax.training.gradient_canaries import GradientCanaries, see_canaries
from pptp_jax.training.train import all_finite


def gradient_answers(
    audit: GradientCanaryAudit,
    planted: PlantedGradients,
    recipe: Recipe,
    fleets: Path,
    runtime: Runtime,
) -> CanaryAnswers:
    """Trains the runs of a recipe in turn, or reads the stored observations of an earlier audit.

    Scores are in clipping norms; with shuffled batches they are less half of what a present canary
    would have done.

    Args:
        audit: the audit, with its model as it is trained.
        planted: its data.
        recipe: which of its recipes.
        fleets: where the recipe gets a directory of its own, with a file for each finished run.
        runtime: what watches it, and stops it after a run.

    Raises:
        KeyboardInterrupt: if the runtime says stop.
    """
    arrays, members = Arrays.of(planted.extended), planted.members()
    canaries = _canaries(audit, planted, recipe)
    train = jax.jit(watched(audit, recipe, canaries, planted))
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(audit.seed), i))(
        jnp.arange(audit.runs)
    )
    program = train.lower(keys[0], arrays, jnp.asarray(members[0])).as_text()
    parts = [planted.data.fingerprint, audit.seed, __version__, jax.__version__, program]
    parts += [hashlib.sha256(array.tobytes()).hexdigest() for array in (members, planted.held_out)]
    parts.append(np.asarray(canaries.coordinates).tolist())
    name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    home = fleets / f"{recipe.slug}-{name}"
    found = []
    for run in range(audit.runs):
        path = home / f"run-{run}.npz"
        if not (runtime.resume and path.exists()):
            if runtime.stop():
                raise KeyboardInterrupt
            shown = train(keys[run], arrays, jnp.asarray(members[run]))
            write_arrays(path, {name: np.asarray(part) for name, part in shown.items()})
            runtime.on_progress(
                recipe, Progress(run, 1, int(recipe.phases[0].epochs), float("nan"))
            )
        with np.load(path) as stored:
            found.append({name: stored[name] for name in stored.files})
    return CanaryAnswers(
        *(np.stack([own[name] for own in found]) for name in CanaryAnswers._fields)
    )


def watched(
    audit: GradientCanaryAudit,
    recipe: Recipe,
    canaries: GradientCanaries,
    planted: PlantedGradients,
) -> Callable[..., dict[str, Array]]:
    """The training of one run, which also returns the observations of the canaries.

    Args:
        audit: the audit.
        recipe: which of its recipes.
        canaries: whose gradients are known.
        planted: the data.
    """
    [phase] = recipe.phases
    own = phase_optimizer(audit.optimizer)
    trainer = Trainer(
        audit.model, recipe.regions(audit.model), audit.batch_size, places=True, canaries=canaries
    )
    expected = trainer.drawing(phase, planted.places).expected

    def chained(steps: Any) -> optax.GradientTransformation:
        return optax.chain(see_canaries(canaries, expected), own(steps))

    watching = phase_optimizer(chained)

    def answer(variables: Variables, data: Arrays) -> Array:
        held_out = jnp.asarray(planted.held_out)
        outputs = audit.model.answering(variables)(data.inputs(held_out))
        answers = audit.model.task.answers(outputs)
        return audit.model.task.utility(answers, data.targets(held_out))

    @full_float32
    def train(
        key: Key[Array, ""], data: Arrays, members: Int[Array, " places"]
    ) -> dict[str, Array]:
        def epoch(state: Any, number: Int[Array, ""]) -> tuple[Any, Float[Array, ""]]:
            return trainer.epoch(watching, phase, state, data, members, key, number, number)

        state = trainer.start(watching, phase, None, key, data, members, None)
        state, losses = jax.lax.scan(epoch, state, jnp.arange(int(phase.epochs)))
        left = state.left()
        return {
            "scores": optax.tree_utils.tree_get(state.opt_state, "canaries_seen"),
            "utility": answer(left, data),
            "finite": all_finite(left, losses),
        }

    return train


def _canaries(
    audit: GradientCanaryAudit, planted: PlantedGradients, recipe: Recipe
) -> GradientCanaries:
    """A weight of its own for each canary, the same in all runs."""
    [phase] = recipe.phases
    assert isinstance(phase.gradient, Private)
    weights = trained_weights(audit.model, recipe, planted)
    rng = np.random.default_rng((audit.seed, 1))
    return GradientCanaries(
        coordinates=jnp.asarray(rng.choice(weights, audit.canaries, replace=False)),
        max_norm=phase.gradient.max_norm,
        first=len(planted.data),
        known_order=isinstance(phase.batches, Shuffled),
    )
