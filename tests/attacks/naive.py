"""The attacks once more: plain NumPy loops in float64, written from the published formulas.

Each takes a made-up fleet and one target; `TWINS` has one for every attack with a closed form.
"""

import numpy as np
from scipy.special import expit, logit, softmax
from scipy.stats import multivariate_normal, norm, t


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


def loss(made, target):
    return np.log(expit(np.float64(made.phi[target]))).mean(0)


def confidence(made, target):
    return expit(np.float64(made.phi[target])).mean(0)


def probabilities(made):
    return softmax(np.float64(made.logits), axis=-1)


def entropy(made, target):
    p = probabilities(made)[target]
    return (p * np.log(p + 1e-30)).sum(-1).mean(0)


def negated_mentr(made, model):
    p = probabilities(made)[model]
    found = np.zeros(p.shape[:2])
    for q in range(p.shape[0]):
        for x in range(p.shape[1]):
            for c in range(p.shape[2]):
                if c == made.labels[x]:
                    found[q, x] += (1 - p[q, x, c]) * np.log(p[q, x, c])
                else:
                    found[q, x] += p[q, x, c] * np.log(1 - p[q, x, c])
    return found.mean(0)


def modified_entropy(made, target):
    """The distance from the best cut of the class, every cut tried."""
    scores = np.array([negated_mentr(made, m) for m in range(len(made.phi))])
    others = np.arange(len(scores)) != target
    found = scores[target].copy()
    for label in np.unique(made.labels):
        own = made.labels == label
        values, member = scores[others][:, own].ravel(), made.membership[others][:, own].ravel()
        falling = np.sort(np.unique(values))[::-1]
        best, cut = -np.inf, np.nan
        for i, value in enumerate(falling):
            advantage = (values >= value)[member].mean() - (values >= value)[~member].mean()
            if advantage > best + 1e-12:
                best, cut = advantage, (value + falling[min(i + 1, len(falling) - 1)]) / 2
        found[own] -= cut
    return found


def correctness(made, target):
    return (made.logits[target].argmax(-1) == made.labels).mean(0)


def calibration_watson(made, target):
    losses = -np.log(expit(np.float64(made.phi)))
    means = [shadows(losses, made.membership, target, x)[1].mean(0) for x in examples(made)]
    return (np.array(means).T - losses[target]).mean(0)


def calibration_sablayrolles(made, target):
    losses = -np.log(expit(np.float64(made.phi)))
    found = []
    for x in examples(made):
        inside, outside = shadows(losses, made.membership, target, x)
        found.append(((inside.mean(0) + outside.mean(0)) / 2 - losses[target, :, x]).mean())
    return np.array(found)


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
        std = outside.std(0, ddof=1) if per_example else pooled
        scores.append(norm.logcdf(signals[target, :, x], outside.mean(0), std).sum())
    return np.array(scores)


def published_lira(made, target, fixed_variance, online):
    """What the code published with the LiRA paper computes, as an attack."""
    signals = np.float64(made.phi)
    keep, scores = np.delete(made.membership, target, 0), np.delete(signals, target, 0)
    inside = [scores[keep[:, x], :, x] for x in examples(made)]
    outside = [scores[~keep[:, x], :, x] for x in examples(made)]
    found = []
    for x in examples(made):
        if fixed_variance:
            std_in = std_out = np.concatenate(inside if online else outside).std()
        else:
            std_in, std_out = inside[x].std(0), outside[x].std(0)
        own = signals[target, :, x]
        pr_in = -norm.logpdf(own, np.median(inside[x], 0), std_in + 1e-30) if online else 0
        pr_out = -norm.logpdf(own, np.median(outside[x], 0), std_out + 1e-30)
        found.append(-(pr_in - pr_out).mean() if online else pr_out.mean())
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


def rmia(made, target, gamma, reference, population=None, p=expit):
    """Every x against every z."""
    ratios = []
    for x in examples(made):
        inside, outside = (p(s) for s in shadows(np.float64(made.phi), made.membership, target, x))
        own = p(np.float64(made.phi[target, :, x]))
        ratios.append(np.exp(np.log(own / reference(inside, outside)).mean()))
    z = ratios if population is None else [ratios[i] for i in population]
    return np.array([np.mean([x / other >= gamma for other in z]) for x in ratios])


def alike(inside, outside):
    return (inside.mean(0) + outside.mean(0)) / 2


def rmia_online(made, target, gamma=2.0, population=None):
    return rmia(made, target, gamma, alike, population)


def rmia_offline(made, target, gamma=2.0, a=0.3, population=None):
    def reference(inside, outside):
        return ((1 + a) * outside.mean(0) + (1 - a)) / 2

    return rmia(made, target, gamma, reference, population)


def base(made, target, reference):
    p = expit(np.float64(made.phi))
    found = []
    for x in examples(made):
        expected = reference(*shadows(p, made.membership, target, x))
        found.append((np.log(p[target, :, x]) - np.log(expected)).mean())
    return np.array(found)


def base_online(made, target):
    return base(made, target, alike)


def base_offline(made, target):
    return base(made, target, lambda inside, outside: outside.mean(0))


def attack_p(made, target):
    losses = -loss(made, target)
    return np.array([np.mean([z >= own for z in losses]) for own in losses])


def attack_r(made, target):
    phi, found = made.phi, []
    for x in examples(made):
        _, outside = alike_many(phi, made.membership, target, x)
        own = phi[target, :, x]
        found.append(((outside < own).mean(0) + (outside == own).mean(0) / 2).mean())
    return np.array(found)


def taylor_odds(z, label, margin=0.6, order=4, temperature=2.0):
    """The log-odds of one label, term by term."""
    z = np.float64(z) / temperature
    z[label] -= margin
    terms, power, factorial = np.ones_like(z), np.ones_like(z), 1.0
    for k in range(1, order):
        power, factorial = power * z, factorial * k
        terms = terms + power / factorial
    terms = np.maximum(terms, 1e-6)
    return logit(terms[label] / terms.sum())


def boundary_distance(made, target):
    return made.signals()["boundary_distance"][target]


def noise(made, target):
    return made.signals()["noisy_correct"][target]


def gradient_norm(made, target):
    first, second = made.signals()["gradient_norms"][target]
    return -np.sqrt(first**2 + second**2)


def input_gradient_norm(made, target):
    return -made.signals()["input_gradient_norm"][target]


TWINS = {
    name: globals()[name]
    for name in (
        "attack_p",
        "attack_r",
        "base_offline",
        "base_online",
        "bavaria_t",
        "boundary_distance",
        "calibration_sablayrolles",
        "calibration_watson",
        "confidence",
        "correctness",
        "entropy",
        "gradient_norm",
        "input_gradient_norm",
        "lira_multivariate",
        "lira_offline",
        "lira_online",
        "loss",
        "modified_entropy",
        "noise",
        "rmia_offline",
        "rmia_online",
    )
}
