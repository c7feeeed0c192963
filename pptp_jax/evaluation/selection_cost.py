"""The selection cost: how much better a chosen setting looked than it is on a fresh fleet."""

from typing import NamedTuple

from pptp_jax.metrics import Drawn, Estimate


class SelectionCost(NamedTuple):
    """A metric of the chosen setting on the fleets of the search, and on a fresh fleet.

    Attributes:
        tuning: on the fleet that it was chosen on.
        fresh: on the fleet that the search has not seen.
        cost: by how much the first looks better than the second, above 0 where it does.
    """

    tuning: Estimate
    fresh: Estimate
    cost: Estimate


def selection_cost(tuning: Drawn, fresh: Drawn, sign: int = 1) -> SelectionCost:
    """Compares the metrics of the choice in the search with those on a fresh fleet.

    The best of many settings is the best in part by luck, and the luck does not come again. One
    cost has the error of two fleets: below 0, the fresh fleet happened to be the luckier one.

    Args:
        tuning: a number on the fleet of the search, with its resamples.
        fresh: the same on the fresh fleet, with resamples of its own.
        sign: 1 where more is better, −1 where less is, such as an attack's AUC.

    Returns:
        Both estimates and their difference, with the interval of independent resamples.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> seen = Drawn(0.93, 0.93 + 0.01 * rng.normal(size=500))
        >>> again = Drawn(0.91, 0.91 + 0.01 * rng.normal(size=500))
        >>> found = selection_cost(seen, again)
        >>> round(found.cost.value, 3), found.cost.low < 0.02 < found.cost.high
        (0.02, True)
    """
    # Sorted or not, the resamples of two fleets have nothing in common.
    both = min(len(tuning.drawn), len(fresh.drawn))
    apart = sign * (tuning.drawn[:both] - fresh.drawn[:both])
    cost = Drawn(sign * (tuning.value - fresh.value), apart)
    return SelectionCost(tuning.estimate(), fresh.estimate(), cost.estimate())
