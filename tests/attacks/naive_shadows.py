"""Which shadows tell of an example, one example and one target at a time."""

import numpy as np


def shadows(signals, membership, target, x):
    others = [m for m in range(len(signals)) if m != target]
    inside = np.array([signals[m, :, x] for m in others if membership[m, x]])
    outside = np.array([signals[m, :, x] for m in others if not membership[m, x]])
    return inside, outside


def alike_many(signals, membership, target, x):
    """The same without a stand-in for the target, where all examples are in equally many models."""
    counts = np.delete(membership, target, 0).sum(0)
    inside, outside = shadows(signals, membership, target, x)
    if np.ptp(counts) != 1:
        return inside, outside
    spare_is_inside = counts[x] == counts.max()
    for step in range(1, len(signals)):
        other = (target + step) % len(signals)
        if membership[other, x] == spare_is_inside:
            break
    kind = [m for m in range(len(signals)) if m not in (target, other)]
    return (
        np.array([signals[m, :, x] for m in kind if membership[m, x]]),
        np.array([signals[m, :, x] for m in kind if not membership[m, x]]),
    )


def examples(made):
    return range(made.phi.shape[2])
