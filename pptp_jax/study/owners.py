"""The results by owner of a study whose split draws owners."""

from typing import Any

import numpy as np

from pptp_jax.data import ByOwner, Dataset, Membership
from pptp_jax.evaluation.attack_fleet import Attacked
from pptp_jax.evaluation.owners import by_owner
from pptp_jax.study.config import Study


def found_by_owner(
    study: Study, data: Dataset, membership: Membership, seen: Attacked
) -> dict[str, Any] | None:
    """The results by owner of one recipe.

    Args:
        study: the study.
        data: its examples.
        membership: who is a member of what.
        seen: the recipe's fleet as the attacks saw it.

    Returns:
        As `pptp_jax.evaluation.owners.by_owner`; None where the split is by record, for an owner
        may then be half in, half out, or where every target diverged.
    """
    if not isinstance(study.split, ByOwner) or data.owners is None or not len(seen.targets):
        return None
    rows = membership.evaluated
    return by_owner(
        seen.scores,
        seen.membership,
        data.owners[rows],
        membership.matrix[np.ix_(np.array(membership.shadows), rows)],
        resamples=study.resamples,
        seed=study.seed,
    )
