"""The attacks once more: plain NumPy loops in float64, written from the published formulas.

Each takes a made-up fleet and one target; `TWINS` has one for every attack with a closed form.
"""

import numpy as np
from naive_denoisers import denoising_loss, pia, pian, secmi, sima
from naive_generators import (
    gan_leaks,
    gan_leaks_calibrated,
    gan_leaks_latent,
    gan_leaks_latent_calibrated,
    logan,
    logan_black_box,
    monte_carlo,
)
from naive_likelihood import bavaria_t, lira_multivariate, lira_offline, lira_online, lira_tokens
from naive_shadows import close_many, examples, shadows
from scipy.special import expit, log_expit, logit, softmax


def loss(made, target):
    """As the φ of this loss."""
    mean = -log_expit(np.float64(made.phi[target])).mean(0)
    return -np.log(np.expm1(mean))


def confidence(made, target):
    """As log-odds."""
    return logit(expit(np.float64(made.phi[target])).mean(0))


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
    """The logarithm of the mean is made up by half its variance."""

    def reference(inside, outside):
        mean, n = outside.mean(0), len(outside)
        error = outside.var(0, ddof=1) / n if n > 1 else 0
        return mean * np.exp(error / mean**2 / 2)

    return base(made, target, reference)


def attack_p(made, target):
    losses = -loss(made, target)
    return np.array([np.mean([z >= own for z in losses]) for own in losses])


def attack_r(made, target):
    phi, found = made.phi, []
    for x in examples(made):
        outside = close_many(phi, made.membership, target, x)
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


def oslo(made, target):
    return np.mean(made.signals()["transferred_correct"][target], axis=0)


def lira_along(made, target, name):
    """All stops and queries jointly, each of them as a query."""
    joined = np.concatenate(list(np.moveaxis(made.signals()[name], 1, 0)), axis=1)
    return lira_multivariate(made._replace(phi=joined), target)


def lira_trajectory(made, target):
    return lira_along(made, target, "trajectory")


def lira_distilled(made, target):
    return lira_along(made, target, "distilled_trajectory")


def gradient_norm(made, target):
    first, second = made.signals()["gradient_norms"][target]
    return -np.sqrt(first**2 + second**2)


def input_gradient_norm(made, target):
    return -made.signals()["input_gradient_norm"][target]


def least(made, target, score):
    """The mean of a fifth of a sequence's tokens, the least likely, and one at least."""
    tokens, found = made.tokens(), np.zeros(made.phi[target].shape)
    for query, x in np.ndindex(found.shape):
        own = {name: tokens[name][target, query, x] for name in tokens if "base" not in name}
        scores = sorted(score(own)[own["token_present"]])
        count = max(1, int(len(scores) * 0.2))
        found[query, x] = np.mean(scores[:count])
    return found.mean(0)


def min_k(made, target):
    return least(made, target, lambda own: np.float64(own["token_log_prob"]))


def min_k_plus_plus(made, target):
    def z(own):
        log_p, mean = np.float64(own["token_log_prob"]), own["token_mean"]
        return (log_p - mean) / np.where(own["token_present"], own["token_deviation"], 1)

    return least(made, target, z)


def zlib_ratio(made, target):
    return log_expit(np.float64(made.phi[target])).mean(0) / (9 + made.labels)


def base_ratio(made, target):
    return (log_expit(np.float64(made.phi[target])) - log_expit(made.inputs[:, 0])).mean(0)


def of_other_text(made, name):
    return np.float64(made.signals()[f"{name}_log_prob"][0])


def lowercase(made, target):
    return -log_expit(np.float64(made.phi[target])).mean(0) / of_other_text(made, "lowered")


def recall(made, target):
    return of_other_text(made, "prefixed") / log_expit(np.float64(made.phi[target])).mean(0)


def neighbourhood(made, target):
    return log_expit(np.float64(made.phi[target])).mean(0) - of_other_text(made, "neighbour")


def by_token(made, target, score):
    """The mean over the queries of a score of the tokens that are there."""
    tokens, found = made.tokens(), np.zeros(made.phi[target].shape)
    for query, x in np.ndindex(found.shape):
        own = {
            name: np.float64(array[target, query, x] if array.ndim == 4 else array[target, x])
            for name, array in tokens.items()
        }
        there = own.pop("token_present") > 0
        found[query, x] = score({name: array[there] for name, array in own.items()})
    return found.mean(0)


def ez_mia(made, target):
    """One less the share of what was lost in all that has changed."""

    def score(own):
        wrong = own["token_first"] == 0
        delta = (own["token_log_prob"] - own["base_token_log_prob"])[wrong]
        if len(delta) < 2:
            return 0
        gained, lost = sum(d for d in delta if d > 0), sum(-d for d in delta if d < 0)
        return 1 - lost / (gained + lost)

    return by_token(made, target, score)


def informia(made, target):
    """The divergence is minus the mean log-ratio of all z."""
    ratio = base_online(made, target)
    return ratio - ratio.mean()


def informia_tokens(made, target):
    def score(own):
        ratio = own["token_log_prob"] - own["base_token_log_prob"]
        return np.mean(ratio + own["base_divergence"])

    return by_token(made, target, score)


TWINS = {
    twin.__name__: twin
    for twin in (
        attack_p,
        attack_r,
        base_offline,
        base_online,
        base_ratio,
        bavaria_t,
        boundary_distance,
        calibration_sablayrolles,
        calibration_watson,
        confidence,
        correctness,
        denoising_loss,
        entropy,
        ez_mia,
        gan_leaks,
        gan_leaks_calibrated,
        gan_leaks_latent,
        gan_leaks_latent_calibrated,
        gradient_norm,
        informia,
        informia_tokens,
        input_gradient_norm,
        lira_distilled,
        lira_multivariate,
        lira_offline,
        lira_online,
        lira_tokens,
        lira_trajectory,
        logan,
        logan_black_box,
        loss,
        lowercase,
        min_k,
        min_k_plus_plus,
        modified_entropy,
        monte_carlo,
        neighbourhood,
        noise,
        oslo,
        pia,
        pian,
        recall,
        rmia_offline,
        rmia_online,
        secmi,
        sima,
        zlib_ratio,
    )
}
