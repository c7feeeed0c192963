"""The attacks by likelihood once more: LiRA in its forms, and BaVarIA-t."""

import numpy as np
from naive_shadows import alike_many, examples, shadows
from scipy.linalg import toeplitz
from scipy.stats import multivariate_normal, norm, t


def pooled_std(signals, membership, target, which, shadows=shadows):
    squares, freedom = 0.0, 0
    for x in range(signals.shape[2]):
        chosen = shadows(signals, membership, target, x)[which]
        squares = squares + ((chosen - chosen.mean(0)) ** 2).sum(0)
        freedom += len(chosen) - 1
    return np.sqrt(squares / freedom)


def lira_online(made, target, per_example=False):
    signals, membership = np.float64(made.phi), made.membership
    stds = [pooled_std(signals, membership, target, which, alike_many) for which in (0, 1)]
    scores = []
    for x in examples(made):
        own = signals[target, :, x]
        fits = []
        for chosen, std in zip(alike_many(signals, membership, target, x), stds, strict=True):
            std = chosen.std(0, ddof=1) if per_example else std
            fits.append(norm.logpdf(own, chosen.mean(0), std))
        scores.append((fits[0] - fits[1]).sum())
    return np.array(scores)


def lira_multivariate(made, target, per_example=False):
    """The covariance of a kind is the pooled one, or lies between it and the example's own."""
    signals, queries = np.float64(made.phi), made.phi.shape[1]
    kinds = [alike_many(signals, made.membership, target, x) for x in examples(made)]
    ridge = np.where(np.eye(queries), 1, 1 - 1e-4)
    found = np.zeros(len(kinds))
    for sign, which in ((1, 0), (-1, 1)):
        chosen = [kind[which] for kind in kinds]
        freedom = sum(len(c) - 1 for c in chosen)
        pooled = sum(np.cov(c.T, ddof=1) * (len(c) - 1) for c in chosen) / freedom
        for x, c in enumerate(chosen):
            covariance = pooled
            if per_example:
                own = np.cov(c.T, ddof=1) * (len(c) - 1)
                covariance = (own + (queries - 1) * pooled) / (len(c) + queries - 2)
            density = multivariate_normal(c.mean(0), covariance * ridge)
            found[x] += sign * density.logpdf(signals[target, :, x])
    return found


def lira_offline(made, target, per_example=False):
    signals, membership = np.float64(made.phi), made.membership
    pooled = pooled_std(signals, membership, target, 1)
    scores = []
    for x in examples(made):
        _, outside = shadows(signals, membership, target, x)
        n = len(outside)
        std = outside.std(0, ddof=1) if per_example else pooled
        off = (signals[target, :, x] - outside.mean(0)) / (std * np.sqrt(1 + 1 / n))
        if per_example:  # Wallace's approximation; test_student_by_wallace says how good it is
            wide = np.sqrt((n - 1) * np.log1p(off**2 / (n - 1)))
            off = np.sign(off) * wide * (8 * n - 7) / (8 * n - 5)
        scores.append(norm.logcdf(off).sum())
    return np.array(scores)


def usual(residuals, freedom):
    own = [(r**2).sum() / (f * r.shape[1]) for r, f in zip(residuals, freedom, strict=True)]
    return np.array(own) <= 100 * np.quantile(own, 0.9)


def common_covariance(residuals, freedom):
    """One variance, and the correlations of tokens by their distance, of all sequences."""
    tokens = max(r.shape[1] for r in residuals)
    by_distance = np.zeros(tokens)
    for distance in range(tokens):
        products, number = 0.0, 0
        for r, f, pooled in zip(residuals, freedom, usual(residuals, freedom), strict=True):
            for i in range(r.shape[1] - distance) if pooled else ():
                products += (r[:, i] * r[:, i + distance]).sum()
                number += f
        by_distance[distance] = products / number
    values, vectors = np.linalg.eigh(toeplitz(by_distance / by_distance[0]))
    matrix = vectors @ np.diag(np.maximum(values, 0.01)) @ vectors.T
    root = np.sqrt(np.diag(matrix))
    return by_distance[0] * matrix / np.outer(root, root)


def drawn_gaps(kinds, pooled):
    """The gaps of tokens, nearer to the mean of their sequence by the share that chance has."""
    seen = chance = 0.0
    for x in np.flatnonzero(pooled):
        gap = kinds[0][x].mean(0) - kinds[1][x].mean(0)
        seen += ((gap - gap.mean()) ** 2).sum()
        for kind in kinds:
            off = kind[x] - kind[x].mean(0)
            within = off - off.mean(1, keepdims=True)
            chance += (within**2).sum() / (len(off) - 1) / len(off)
    share = min(1, chance / seen)
    gaps = [one.mean(0) - other.mean(0) for one, other in zip(*kinds, strict=True)]
    return [(1 - share) * gap + share * gap.mean() for gap in gaps]


def lira_tokens(made, target, by_kind=False):
    """Queries are averaged, and all models have the same tokens."""
    tokens = made.tokens()
    log_p = np.float64(tokens["token_log_prob"])
    there = tokens["token_present"][0, 0]
    odds = (log_p - np.log(-np.expm1(np.where(log_p < 0, log_p, -1)))).mean(1)
    kinds = [[], []]
    for x in examples(made):
        signals = odds[:, x, there[x]][..., None]
        for kind, chosen in zip(
            kinds, alike_many(signals, made.membership[:, x : x + 1], target, 0), strict=True
        ):
            kind.append(chosen)
    offs = [[c - c.mean(0) for c in kind] for kind in kinds]
    freedom = [len(c) - 1 for c in kinds[0]]
    both = [np.concatenate(pair) for pair in zip(*offs, strict=True)]
    gaps = drawn_gaps(kinds, usual(both, np.multiply(2, freedom)))
    found = np.zeros(len(there))
    for sign, which in ((1, 0), (-1, 1)):
        off, free = (offs[which], freedom) if by_kind else (both, np.multiply(2, freedom))
        common = common_covariance(off, free)
        for x, gap in enumerate(gaps):
            size = len(gap)
            covariance = off[x].T @ off[x] + (size - 1) * common[:size, :size]
            covariance /= free[x] + size - 1
            middle = (kinds[0][x].mean(0) + kinds[1][x].mean(0)) / 2
            density = multivariate_normal(middle + sign * gap / 2, covariance)
            found[x] += sign * density.logpdf(odds[target, x, there[x]])
    return found


def published_lira(made, target, fixed_variance, online):
    """What the code published with the LiRA paper computes, as an attack, pair by pair."""
    signals, others = np.float64(made.phi), [m for m in range(len(made.phi)) if m != target]
    lists = {True: [], False: []}
    for x in examples(made):
        for kind, of_examples in lists.items():
            of_examples.append([signals[m, :, x] for m in others if made.membership[m, x] == kind])
    for kind, of_examples in lists.items():
        fewest = min(len(own) for own in of_examples)
        lists[kind] = [np.array(own[:fewest]) for own in of_examples]
    every = [value for own in lists[online] for row in own for value in row]
    fixed = np.sqrt(np.mean((np.array(every) - np.mean(every)) ** 2))
    found = []
    for x in examples(made):
        of_queries = []
        for q in range(signals.shape[1]):
            logs = {}
            for kind in (True, False) if online else (False,):
                values = lists[kind][x][:, q]
                std = fixed if fixed_variance else values.std()
                logs[kind] = norm.logpdf(signals[target, q, x], np.median(values), std + 1e-30)
            of_queries.append(logs[True] - logs[False] if online else -logs[False])
        found.append(np.mean(of_queries))
    return np.array(found)


def bavaria_t(made, target):
    signals = np.float64(made.phi)
    found = np.zeros(signals.shape[2])
    for sign, which in ((1, 0), (-1, 1)):
        for q in range(signals.shape[1]):
            chosen = [
                alike_many(signals, made.membership, target, x)[which][:, q] for x in examples(made)
            ]
            n = np.array([len(c) for c in chosen])
            means = np.array([c.mean() for c in chosen])
            squares = np.array([c.var() * len(c) for c in chosen])
            variance = squares.sum() / (n - 1).sum()
            between = max(means.var() - variance * np.mean(1 / n), 1e-3 * variance)
            error = np.mean(2 / (n - 1))
            ratio = squares / (n - 1) / variance
            excess = np.mean((ratio - 1) ** 2) - error
            alpha = 2 + 1 / np.clip(excess / (1 + error), 1e-2, 1e2)
            beta, kappa = variance * (alpha - 1), variance / between
            for x in examples(made):
                total = kappa + n[x]
                centre = (kappa * means.mean() + chosen[x].sum()) / total
                a = alpha + n[x] / 2
                b = beta + squares[x] / 2
                b += kappa * n[x] * (means[x] - means.mean()) ** 2 / (2 * total)
                scale = np.sqrt(b * (total + 1) / (a * total))
                found[x] += sign * t.logpdf(signals[target, q, x], 2 * a, centre, scale)
    return found
