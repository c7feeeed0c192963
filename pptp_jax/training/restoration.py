"""Restore regions to an earlier epoch, from networks saved then."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from pptp_jax.models import Variables
from pptp_jax.regions import RegionMap
from pptp_jax.regions.paths import path_name
from pptp_jax.training.phase import Phase
from pptp_jax.transforms import rewind_region
from pptp_jax.validation import Refused

# What networks were after some epochs, in the host's memory.
Kept = dict[int, Variables]


def check_restored(name: str, phases: Sequence[Phase]) -> None:
    """Refuses phases that restore a region to an epoch that does not precede them.

    Args:
        name: the recipe's.
        phases: its phases.

    Raises:
        ValueError: naming both epochs; or if an ensemble was trained since, whose sub-models are
            other networks.

    Examples:
        >>> from pptp_jax.objectives import TaskLoss
        >>> from pptp_jax.training.beginnings import Restore
        >>> plain = Phase(epochs=3, objectives=TaskLoss())
        >>> back = Phase(epochs=1, objectives=TaskLoss(), start=(Restore(region="a", after=3),))
        >>> check_restored("mine", (plain, back))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: mine takes the region a back to what it was after epoch 3, ...
    """
    for number, phase in enumerate(phases):
        if not phase.restored:
            continue
        ends = _ends(phases)
        begun = ends[number - 1] if number else 0
        for part in phase.restored:
            if part.after >= begun:
                raise Refused(
                    f"{name} takes the region {part.region} back to what it was after epoch "
                    f"{part.after}, and that phase begins when {begun} epochs are behind: go back "
                    f"to an earlier one" + (f", 1 to {begun - 1}" if begun > 1 else "")
                )
            since = zip(phases[:number], ends, strict=False)
            if any(end >= part.after and before.ensemble for before, end in since):
                raise Refused(
                    f"{name} takes the region {part.region} back to what it was after epoch "
                    f"{part.after}, and an ensemble was trained since: its sub-models are others"
                )


def kept_epochs(phases: Sequence[Phase], epochs: int) -> tuple[int, ...]:
    """`Recipe.kept`."""
    starts = (0, *_ends(phases)) if any(phase.restored for phase in phases) else ()
    needed = {
        part.after
        for phase, begun in zip(phases, starts, strict=False)
        for part in phase.restored
        if part.after <= epochs <= begun
    }
    return tuple(sorted(needed))


def on_host(epochs: Sequence[int], networks: Sequence[Variables] = ()) -> Kept:
    """Networks by the epochs behind them, copied: an epoch of training reuses their memory.

    Args:
        epochs: the epochs of `Recipe.kept`.
        networks: what the networks were after each of them.

    Raises:
        ValueError: if there are not as many networks as epochs.

    Examples:
        >>> on_host((7,), (Variables({"w": 1.0}, {}),))
        {7: Variables(params={'w': array(1.)}, state={})}
    """
    if len(epochs) != len(networks):
        raise Refused(
            f"the recipe goes back to what networks were after the epochs {list(epochs)}, and its "
            f"beginning brings {len(networks)} of these: give each of them as Branch(kept=...)"
        )
    copies = [jax.tree.map(np.array, variables) for variables in networks]
    return dict(zip(epochs, copies, strict=True))


def taken_back(
    phase: Phase,
    regions: RegionMap | None,
    now: Variables,
    initial: Variables,
    earlier: Sequence[Variables],
) -> Variables:
    """A network with the regions taken back that a phase begins with.

    Args:
        phase: the rules.
        regions: the recipe's regions.
        now: the network.
        initial: its initial values.
        earlier: the networks that `phase.restored` takes regions from, in that order.
    """
    for label in phase.rewound:
        assert regions is not None  # a recipe that names regions has them
        params = rewind_region(now.params, initial.params, regions, label)
        now = now._replace(params=params)
    for part, then in zip(phase.restored, earlier, strict=True):
        assert regions is not None  # a recipe that names regions has them
        now = restored_region(now, then, regions, part.region)
    return now


def restored_region(now: Variables, then: Variables, regions: RegionMap, label: str) -> Variables:
    """A network with one region as it was earlier, running statistics included.

    Statistics belong to the parameters that share the longest beginning of their path with them,
    the name of their collection left out: `batch_stats/stem/norm/mean` to `stem/norm/.*`. They go
    back if all of these lie in the region.

    Args:
        now: the network.
        then: what it was.
        regions: the recipe's regions.
        label: the region.

    Raises:
        ValueError: if statistics share no beginning with any parameter.

    Examples:
        >>> regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
        >>> def network(value):
        ...     norms = {"stem": {"scale": value}, "head": {"scale": value}}
        ...     return Variables(norms, {"batch_stats": {"stem": {"mean": value}}})
        >>> found = restored_region(network(2.0), network(1.0), regions, "protect")
        >>> found.params, found.state
        ({'head': {'scale': 2.0}, 'stem': {'scale': 1.0}}, {'batch_stats': {'stem': {'mean': 1.0}}})
    """
    params = rewind_region(now.params, then.params, regions, label)
    mask = jax.tree_util.tree_leaves_with_path(regions.mask(now.params, label))
    inside = [(path_name(path).split("/"), chosen) for path, chosen in mask]

    def chosen(path: tuple[Any, ...], new: Any, old: Any) -> Any:
        module = path_name(path).split("/")[1:-1]
        for length in range(len(module), 0, -1):
            own = [its for names, its in inside if names[:length] == module[:length]]
            if own:
                return old if all(own) else new
        raise Refused(
            f"{label} cannot go back to an earlier epoch: the statistics {path_name(path)} stand "
            "at no path of parameters, so it is unknown whether they are part of it; take a model "
            "of Linen or NNX, or one without running statistics"
        )

    state = jax.tree_util.tree_map_with_path(chosen, now.state, then.state)
    return Variables(params, state)


def _ends(phases: Sequence[Phase]) -> list[int]:
    """The epochs behind each phase."""
    ends = [0]
    for phase in phases:
        ends.append(ends[-1] + int(phase.epochs))
    return ends[1:]
