"""The arrays in a run's directory: signals, scores, stops, and the combined probabilities."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pptp_jax.data import Dataset, Membership
from pptp_jax.evaluation.attack_fleet import Attacked
from pptp_jax.evaluation.combination import Combined, write_combined
from pptp_jax.fleets import StoredFleet
from pptp_jax.storage.files import link, write_array, write_arrays
from pptp_jax.study.comparisons import Setting


def write_signals(
    directory: Path, data: Dataset, membership: Membership, fleets: Mapping[str, StoredFleet]
) -> None:
    """Writes the membership, the examples' labels and ids, and each recipe's main signals."""
    # Signals of an earlier run may belong to another membership matrix; fleets/ still has them.
    shutil.rmtree(directory, ignore_errors=True)
    write_array(directory / "membership.npy", membership.matrix)
    write_array(directory / "labels.npy", data.y)
    write_array(directory / "example_ids.npy", data.ids)
    if data.owners is not None:
        write_array(directory / "owners.npy", data.owners)
    for slug, fleet in fleets.items():
        store = fleet.stores[max(fleet)]
        link(store.path("confidence"), directory / f"{slug}.npy")
        for name in ("logits", "utility"):
            if name in store.layout.parts:
                link(store.path(name), directory / name / f"{slug}.npy")


def write_scores(directory: Path, membership: Membership, attacked: Mapping[str, Attacked]) -> None:
    """Writes the scores of every attack on each recipe."""
    shutil.rmtree(directory, ignore_errors=True)
    for slug, seen in attacked.items():
        write_arrays(directory / f"{slug}.npz", _scores(seen, membership))


def write_stops(directory: Path, membership: Membership, reached: Sequence[Setting]) -> None:
    """Writes the compared attack's scores at each stop, for comparisons with other runs."""
    for setting in reached:
        if setting.stop is not None:
            path = directory / setting.recipe.slug / f"{setting.stop}.npz"
            seen = setting.seen
            write_arrays(path, _scores(seen, membership) | {"utility": seen.utility})


def write_probabilities(
    directory: Path,
    data: Dataset,
    membership: Membership,
    attacked: Mapping[str, Attacked],
    together: Mapping[str, Combined],
) -> None:
    """Writes each recipe's probabilities of membership by all attacks together."""
    shutil.rmtree(directory, ignore_errors=True)
    rows = membership.evaluated
    for slug, found in together.items():
        write_combined(
            directory,
            slug,
            found,
            attacked[slug].membership,
            attacked[slug].targets,
            examples=rows,
            ids=data.ids[rows],
            labels=None if data.labels is None else data.labels[rows],
        )


def _scores(seen: Attacked, membership: Membership) -> dict[str, np.ndarray]:
    """The scores of the attacks, and the pairs of target and example that they are of."""
    pairs = {
        "targets": seen.targets,
        "examples": membership.evaluated,
        "membership": seen.membership,
    }
    return pairs | seen.scores
