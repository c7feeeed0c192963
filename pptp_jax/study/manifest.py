"""The manifest of a run, written before its first model is trained."""

from typing import Any

from pptp_jax.data import Dataset, Membership
from pptp_jax.fleets import Runtime
from pptp_jax.models import precision_in_words
from pptp_jax.storage.provenance import provenance
from pptp_jax.storage.record import describe
from pptp_jax.study.config import Study
from pptp_jax.study.likeness import likeness

PACKAGES = ("flax", "optax", "orbax-checkpoint", "numpy")


def manifest_of(
    study: Study,
    data: Dataset,
    membership: Membership,
    command: str | None,
    runtime: Runtime,
) -> dict[str, Any]:
    """The settings, data and versions of a run, as `manifest.json` and `results.json` have them.

    Args:
        study: the study.
        data: its data.
        membership: who is a member of what.
        command: what a person types to get the same numbers.
        runtime: how the fleets are executed.
    """
    alike = likeness(data, membership)
    return {
        "study": study.name,
        "command": command,
        "config": describe(study),
        "data": {
            "name": data.name,
            "examples": len(data),
            "classes": data.num_classes,
            "fingerprint": data.fingerprint,
            **({} if alike is None else {"likeness": alike}),
        },
        "models": study.split.models,
        "targets": len(membership.targets),
        "members": int(membership.matrix[0].sum()),
        "queries": [query.name for query in study.queries],
        "utility_name": study.model.task.utility_name,
        "higher_is_better": study.model.task.higher_is_better,
        "seed": study.seed,
        "precision": precision_in_words(study.model.precision),
        "strategy": describe(runtime.strategy),
        "processes": runtime.shares,
    } | provenance(*PACKAGES)
