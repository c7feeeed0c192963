"""Store samples of a generative model with the nearest member and the nearest non-member."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pptp_jax.data import Dataset, Membership
from pptp_jax.evaluation.riskiest import pictures
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics.manifolds import nearest
from pptp_jax.storage.files import write_arrays

# The samples that a page shows of one model of each recipe.
COUNT = 20


class _Shown(NamedTuple):
    """The pictures of a fleet.

    Attributes:
        shown: samples, each with the nearest member and the nearest non-member.
        rows: where these two stand in the data.
        distances: how far they are.
        nearer: the share of each target's samples that are nearer to a member.
    """

    shown: Float[np.ndarray, "samples 3 inputs"]
    rows: Int[np.ndarray, "samples 2"]
    distances: Float[np.ndarray, "samples 2"]
    nearer: Float[np.ndarray, " targets"]


def write_sample_pictures(
    path: Path, data: Dataset, membership: Membership, fleets: Mapping[str, FleetSignals]
) -> None:
    """Writes, for each recipe, samples of its first target and the nearest examples.

    A sample is compared to as many non-members as members, so that each is the nearest one of half
    of the samples, unless members are copied. The arrays: `slugs` of the recipes; of each recipe's
    samples `distances` to the nearest member and to the nearest non-member, as root mean squared
    differences, their `ids`, and `pictures` (recipes, samples, 3, height, width, channels) of the
    sample, the member and the non-member; and `nearer` (recipes, targets), the share of all samples
    of each target that are nearer to a member, NaN for targets that diverged. Nothing is left at
    the path where no fleet has kept samples, or the data are no images.

    Args:
        path: the file.
        data: the examples.
        membership: who is a member of what.
        fleets: the signals of each recipe's finished models.
    """
    images = data.x.ndim == 4 and data.x.shape[-1] in (1, 3)
    targets = list(membership.targets)
    kept = {
        slug: fleet
        for slug, fleet in fleets.items()
        if images and "samples" in fleet and fleet.finite[targets].any()
    }
    if not kept:
        path.unlink(missing_ok=True)
        return
    inputs = data.inputs().reshape(len(data), -1)
    found = {slug: _of_fleet(fleet, membership, inputs) for slug, fleet in kept.items()}
    shown = np.stack([one.shown for one in found.values()]).reshape(
        len(found), -1, 3, *data.x.shape[1:]
    )
    arrays = {
        "slugs": np.array(list(found)),
        "distances": np.stack([one.distances for one in found.values()]),
        "ids": data.ids[np.stack([one.rows for one in found.values()])],
        "pictures": pictures(shown),
        "nearer": np.stack([one.nearer for one in found.values()]),
    }
    write_arrays(path, arrays)


def _of_fleet(
    fleet: FleetSignals, membership: Membership, inputs: Float[np.ndarray, "examples inputs"]
) -> _Shown:
    targets = list(membership.targets)
    nearer, first = np.full(len(targets), np.nan), None
    for place, model in enumerate(targets):
        if not fleet.finite[model]:
            continue
        made = np.asarray(fleet["samples"][model])
        pools = _pools(membership.matrix[model], np.asarray(membership.evaluated))
        inside, outside = (nearest(made, inputs[rows]) for rows in pools)
        a, b = inside.distance, outside.distance
        nearer[place] = ((a < b) + 0.5 * (a == b)).mean()
        if first is None:
            first = made, pools, (inside, outside)
    assert first is not None  # `write_sample_pictures`
    made, pools, both = first
    rows = np.stack([pool[own.row[:COUNT]] for pool, own in zip(pools, both, strict=True)], 1)
    distances = np.stack([own.distance[:COUNT] for own in both], 1) / np.sqrt(made.shape[1])
    shown = np.concatenate([made[:COUNT, None], inputs[rows]], axis=1)
    return _Shown(shown, rows, distances, nearer)


def _pools(
    own: Bool[np.ndarray, " examples"], evaluated: Int[np.ndarray, " evaluated"]
) -> tuple[Int[np.ndarray, " size"], Int[np.ndarray, " size"]]:
    """The rows of members and of as many non-members."""
    there = own[evaluated]
    rng = np.random.default_rng(0)
    size = min(there.sum(), (~there).sum())
    members, others = (rng.permutation(evaluated[chosen])[:size] for chosen in (there, ~there))
    return members, others
