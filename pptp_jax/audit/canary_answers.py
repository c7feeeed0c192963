"""The runs of an audit by canaries: a fleet that is queried on canaries and held-out examples."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from pptp_jax.audit.canaries import CanaryAudit, Planted
from pptp_jax.fleets import FleetSpec, Runtime, fingerprint, run_fleet
from pptp_jax.fleets.fingerprint import home_name
from pptp_jax.training import Recipe


class CanaryAnswers(NamedTuple):
    """The answers of a recipe's runs.

    Attributes:
        scores: of each canary, higher where it is likelier present: φ of its wrong label, or what
            all steps have shown of its gradient.
        utility: how good each run's network is on what was held out.
        finite: who did not diverge.
    """

    scores: Float[np.ndarray, "runs canaries"]
    utility: Shaped[np.ndarray, "runs held_out"]
    finite: Bool[np.ndarray, " runs"]


def canary_answers(
    audit: CanaryAudit, planted: Planted, recipe: Recipe, fleets: Path, runtime: Runtime
) -> CanaryAnswers:
    """Trains the runs of a recipe and queries them, or reads the stored answers of another audit.

    Args:
        audit: the audit.
        planted: its data.
        recipe: which of its recipes.
        fleets: where the recipe gets a directory of its own.
        runtime: how the runs are executed.

    Raises:
        KeyboardInterrupt: if the runtime says stop, when the state has been saved.
    """
    spec = FleetSpec(
        model=audit.model,
        recipe=recipe,
        data=replace(planted.data, y=planted.labels),
        members=planted.members(),
        optimizer=audit.optimizer,
        batch_size=audit.batch_size,
        seed=audit.seed,
        queried=np.concatenate([planted.canaries, planted.held_out]),
    )
    key = fingerprint(spec)
    end = run_fleet(spec, fleets / home_name(recipe.slug, key), runtime, key=key).end
    scores = np.array(end.confidence[:, 0, : audit.canaries])
    return CanaryAnswers(scores, end.utility[:, audit.canaries :], end.finite)
