"""Which shadows an attack uses, one example and one target at a time."""

import numpy as np


def shadows(signals, membership, target, x):
    others = [m for m in range(len(signals)) if m != target]
    inside = np.array([signals[m, :, x] for m in others if membership[m, x]])
    outside = np.array([signals[m, :, x] for m in others if not membership[m, x]])
    return inside, outside


def alike_many(signals, membership, target, x):
    """The first of either kind, as many as there are of the kind of which there are fewer."""
    kinds = shadows(signals, membership, target, x)
    number = min(len(kind) for kind in kinds)
    return tuple(kind[:number] for kind in kinds)


def close_many(signals, membership, target, x):
    """The first OUT shadows, as many of every example, where this leaves but a few of them out."""
    counts = (~np.delete(membership, target, 0)).sum(0)
    _, outside = shadows(signals, membership, target, x)
    few = counts.max() - counts.min() <= max(1, counts.max() // 4)
    return outside[: counts.min()] if few else outside


def examples(made):
    return range(made.phi.shape[2])
