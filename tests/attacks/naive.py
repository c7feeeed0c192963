"""The attacks once more: plain NumPy loops in float64, written from the published formulas."""

import numpy as np
from scipy.special import expit
from scipy.stats import norm


def shadows(signals, membership, target, x):
    others = [m for m in range(len(signals)) if m != target]
    inside = np.array([signals[m, :, x] for m in others if membership[m, x]])
    outside = np.array([signals[m, :, x] for m in others if not membership[m, x]])
    return inside, outside


def loss(signals, membership, target):
    examples = range(signals.shape[2])
    return np.array([np.log(expit(signals[target, :, x])).mean() for x in examples])


def pooled_std(signals, membership, target, which):
    squares, freedom = 0.0, 0
    for x in range(signals.shape[2]):
        chosen = shadows(signals, membership, target, x)[which]
        squares = squares + ((chosen - chosen.mean(0)) ** 2).sum(0)
        freedom += len(chosen) - 1
    return np.sqrt(squares / freedom)


def lira_online(signals, membership, target, per_example=False):
    stds = [pooled_std(signals, membership, target, which) for which in (0, 1)]
    scores = []
    for x in range(signals.shape[2]):
        own = signals[target, :, x]
        fits = []
        for chosen, std in zip(shadows(signals, membership, target, x), stds, strict=True):
            std = chosen.std(0, ddof=1) if per_example else std
            fits.append(norm.logpdf(own, chosen.mean(0), std))
        scores.append((fits[0] - fits[1]).sum())
    return np.array(scores)


def lira_offline(signals, membership, target, per_example=False):
    pooled = pooled_std(signals, membership, target, 1)
    scores = []
    for x in range(signals.shape[2]):
        _, outside = shadows(signals, membership, target, x)
        std = outside.std(0, ddof=1) if per_example else pooled
        scores.append(norm.logcdf(signals[target, :, x], outside.mean(0), std).sum())
    return np.array(scores)


def published_lira(signals, membership, target, fixed_variance, online):
    """What the code published with the LiRA paper computes, as an attack."""
    examples = signals.shape[2]
    keep, scores = np.delete(membership, target, 0), np.delete(signals, target, 0)
    inside = [scores[keep[:, x], :, x] for x in range(examples)]
    outside = [scores[~keep[:, x], :, x] for x in range(examples)]
    everything_in = np.concatenate(inside)
    found = []
    for x in range(examples):
        if fixed_variance:
            std_in = std_out = everything_in.std()
        else:
            std_in, std_out = inside[x].std(0), outside[x].std(0)
        own = signals[target, :, x]
        pr_in = -norm.logpdf(own, np.median(inside[x], 0), std_in + 1e-30) if online else 0
        pr_out = -norm.logpdf(own, np.median(outside[x], 0), std_out + 1e-30)
        found.append(-(pr_in - pr_out).mean() if online else pr_out.mean())
    return np.array(found)


def rmia(signals, membership, target, gamma, reference, population=None):
    """Every x against every z."""
    examples = signals.shape[2]
    ratios = []
    for x in range(examples):
        inside, outside = (expit(s) for s in shadows(signals, membership, target, x))
        p = expit(signals[target, :, x])
        ratios.append(np.exp(np.log(p / reference(inside, outside)).mean()))
    z = ratios if population is None else [ratios[i] for i in population]
    return np.array([np.mean([x / other >= gamma for other in z]) for x in ratios])


def rmia_online(signals, membership, target, gamma=2.0, population=None):
    def reference(inside, outside):
        return (inside.mean(0) + outside.mean(0)) / 2

    return rmia(signals, membership, target, gamma, reference, population)


def rmia_offline(signals, membership, target, gamma=2.0, a=0.3, population=None):
    def reference(inside, outside):
        return ((1 + a) * outside.mean(0) + (1 - a)) / 2

    return rmia(signals, membership, target, gamma, reference, population)
