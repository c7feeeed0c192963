"""Bayesian privacy loss: how far an observation moves an attacker's belief about private data."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp, xlogy

from pptp_jax.metrics import Estimate
from pptp_jax.validation import Refused, at_least, not_negative, one_of

Divergence = Literal["kl", "js", "max"]


class BayesianLoss(NamedTuple):
    """An attacker's belief after an observation, and how far it is from the one before.

    Attributes:
        posterior: the probability of each candidate, given what was observed. It is the exact
            attacker: no other guess is right more often than its largest entry, and between two
            candidates its logit is the log-likelihood ratio plus that of the prior.
        loss: the divergence, in nats.
    """

    posterior: Float[np.ndarray, "... candidates"]
    loss: Float[np.ndarray, "..."]


def loss_of_likelihoods(
    log_likelihoods: Float[np.ndarray, "... candidates"],
    prior: Float[np.ndarray, " candidates"] | None = None,
    divergence: Divergence = "kl",
) -> BayesianLoss:
    r"""The Bayesian privacy loss of any release, by how likely each candidate makes it.

    With posterior q and prior p, `kl` is \(\sum_i q_i \log (q_i / p_i)\), whose mean over releases
    is their mutual information with the private data; `js` the Jensen-Shannon divergence of q and
    p, at most log 2; `max` is \(\max_i |\log (q_i / p_i)|\), over candidates of a positive prior.

    Formal guarantees:
        Where the release is ε-differentially private and candidates are neighbours, `max` is at
        most ε, and so is `kl`.

    Args:
        log_likelihoods: log p(release | candidate), up to a number that is the same for all.
        prior: the attacker's belief before; None is uniform.
        divergence: what is computed.

    Raises:
        ValueError: if the prior is no distribution, no candidate is possible, or a name is unknown.

    References:
        Gu et al., "Federated Deep Learning with Bayesian Privacy", 2021,
        https://arxiv.org/abs/2109.13012: its abstract takes the KL divergence of posterior and
        prior as the loss. The finite candidates, and the order of the arguments, are our reading.

    Examples:
        >>> print(loss_of_likelihoods(np.log([0.75, 0.25])).loss.round(3))
        0.131
    """
    given = np.asarray(log_likelihoods, float)
    one_of(get_args(Divergence), divergence=divergence)
    if given.ndim < 1 or given.shape[-1] < 2:
        raise Refused(f"there must be at least two candidates, got the shape {given.shape}")
    before = _prior(prior, given.shape[-1])
    possible = before > 0
    if not ((given < np.inf).all() and np.isfinite(given[..., possible]).any(axis=-1).all()):
        raise Refused("log_likelihoods must be below infinity, one that the prior allows finite")
    with np.errstate(divide="ignore"):
        joint = given + np.log(before)
    log_posterior = joint - logsumexp(joint, axis=-1, keepdims=True)
    posterior = np.exp(log_posterior)
    if divergence == "js":
        middle = (posterior + before) / 2
        halves = [_kl(own, middle) for own in (posterior, np.broadcast_to(before, middle.shape))]
        return BayesianLoss(posterior, (halves[0] + halves[1]) / 2)
    if divergence == "kl":
        return BayesianLoss(posterior, _kl(posterior, before))
    ratios = log_posterior[..., possible] - np.log(before[possible])
    return BayesianLoss(posterior, np.abs(ratios).max(axis=-1))


def bayesian_privacy_loss(
    observed: Float[np.ndarray, "... numbers"],
    candidate_gradients: Float[np.ndarray, "candidates numbers"],
    noise_std: float | Float[np.ndarray, " numbers"],
    prior: Float[np.ndarray, " candidates"] | None = None,
    divergence: Divergence = "kl",
) -> BayesianLoss:
    r"""The Bayesian privacy loss of a gradient with Gaussian noise, over candidate inputs.

    The posterior is \(q_i \propto p_i \exp(-\|o - g_i\|^2 / 2s^2)\). With two candidates, the
    gradients of a batch with and without a record, it is the exact membership attack.

    Args:
        observed: o, what was sent; several observations are attacked one by one.
        candidate_gradients: g, what each candidate would have sent without noise.
        noise_std: s, of each number, or one for each.
        prior: the attacker's belief before; None is uniform.
        divergence: as in `loss_of_likelihoods`.

    Raises:
        ValueError: if shapes disagree, a number is not finite, or the noise is not above 0.

    Examples:
        >>> gradients = np.array([[0.0, 0.0], [3.0, 4.0]])
        >>> found = bayesian_privacy_loss(np.array([3.0, 4.0]), gradients, noise_std=5.0)
        >>> print(found.posterior.round(3), found.loss.round(3))
        [0.378 0.622] 0.03
    """
    likelihoods = _log_likelihoods(observed, candidate_gradients, noise_std, "")
    return loss_of_likelihoods(likelihoods, prior, divergence)


def regional_privacy_losses(
    observed: Mapping[str, Float[np.ndarray, "... numbers"]],
    candidate_gradients: Mapping[str, Float[np.ndarray, "candidates numbers"]],
    noise_std: Mapping[str, float],
    prior: Float[np.ndarray, " candidates"] | None = None,
    divergence: Divergence = "kl",
) -> dict[str, BayesianLoss]:
    """The Bayesian privacy loss of each region that is sent, and of all of them under `all`.

    The noise of the regions is independent, so the log-likelihoods add up. The losses do not: what
    two regions leak may be the same.

    Args:
        observed: what was sent of each region.
        candidate_gradients: what each candidate would have sent of it.
        noise_std: the noise of each number of a region.
        prior: as in `bayesian_privacy_loss`.
        divergence: likewise.

    Raises:
        ValueError: if the regions differ, or one is called `all`.

    Examples:
        >>> sent = {"stem": np.array([0.0]), "head": np.array([2.0])}
        >>> gradients = {"stem": np.array([[0.0], [0.1]]), "head": np.array([[0.0], [2.0]])}
        >>> found = regional_privacy_losses(sent, gradients, {"stem": 1.0, "head": 1.0})
        >>> {name: round(float(own.loss), 3) for name, own in found.items()}
        {'stem': 0.0, 'head': 0.328, 'all': 0.327}
    """
    names = sorted(observed)
    if "all" in names or any(sorted(o) != names for o in (candidate_gradients, noise_std)):
        raise Refused(
            "observed, candidate_gradients and noise_std must have the same regions, none of them "
            f"called 'all'; got {names}, {sorted(candidate_gradients)} and {sorted(noise_std)}"
        )
    each = {
        name: _log_likelihoods(observed[name], candidate_gradients[name], noise_std[name], name)
        for name in observed
    }
    each["all"] = np.sum(list(each.values()), axis=0)
    return {name: loss_of_likelihoods(own, prior, divergence) for name, own in each.items()}


def mean_privacy_loss(
    candidate_gradients: Float[np.ndarray, "candidates numbers"],
    noise_std: float,
    prior: Float[np.ndarray, " candidates"] | None = None,
    divergence: Divergence = "kl",
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Estimate:
    """The mean loss over candidates, drawn by the prior, and noise; of `kl` mutual information.

    Args:
        candidate_gradients: what each candidate would send without noise.
        noise_std: the noise.
        prior: as in `bayesian_privacy_loss`.
        divergence: likewise.
        draws: how many observations are drawn.
        seed: what they depend on.

    Returns:
        The mean with twice its standard error on both sides.

    Raises:
        ValueError: as `bayesian_privacy_loss` does.

    Examples:
        >>> found = mean_privacy_loss(np.array([[0.0], [1.0]]), noise_std=3.0, draws=4000)
        >>> bool(found.low < np.log(2) - 0.6794 < found.high)
        True
    """
    at_least(2, draws=draws)
    rng, gradients = np.random.default_rng(seed), _candidates(candidate_gradients)
    before = _prior(prior, len(gradients))
    observed = gradients[rng.choice(len(gradients), draws, p=before)]
    observed = observed + noise_std * rng.standard_normal(observed.shape)
    losses = bayesian_privacy_loss(observed, gradients, noise_std, before, divergence).loss
    mean, error = float(losses.mean()), 2 * float(losses.std(ddof=1)) / draws**0.5
    return Estimate(mean, mean - error, mean + error)


def most_privacy_loss(
    candidate_gradients: Float[np.ndarray, "candidates numbers"],
    noise_std: float,
    prior: Float[np.ndarray, " candidates"] | None = None,
) -> float:
    r"""A bound of the mean loss: \(\min(H(p), \sum_{ij} p_i p_j \|g_i - g_j\|^2 / 2s^2)\).

    Args:
        candidate_gradients: what each candidate would send without noise.
        noise_std: s.
        prior: p; None is uniform.

    Raises:
        ValueError: as `bayesian_privacy_loss` does.

    Examples:
        >>> print(round(most_privacy_loss(np.array([[0.0], [1.0]]), noise_std=3.0), 4))
        0.0278
    """
    _check_noise(noise_std)
    gradients = _candidates(candidate_gradients)
    before = _prior(prior, len(gradients))
    # Twice the variance is the mean squared distance of two draws.
    spread = 2 * before @ np.square(gradients - before @ gradients).sum(axis=1)
    return float(min(-xlogy(before, before).sum(), spread / (2 * noise_std**2)))


def gaussian_privacy_loss(signal_std: float, noise_std: float, numbers: int) -> float:
    r"""The mean loss where the private data are Gaussian, too: \(\frac d2 \log(1 + \tau^2/s^2)\).

    Args:
        signal_std: τ, of each of d independent numbers.
        noise_std: s, of the noise on them.
        numbers: d.

    Raises:
        ValueError: if a number is negative, or there is no noise.

    Examples:
        >>> round(gaussian_privacy_loss(signal_std=1.0, noise_std=1.0, numbers=2), 4)
        0.6931
    """
    not_negative(signal_std=signal_std)
    at_least(1, numbers=numbers)
    _check_noise(noise_std)
    return float(numbers / 2 * np.log1p((signal_std / noise_std) ** 2))


def _prior(
    prior: Float[np.ndarray, " candidates"] | None, count: int
) -> Float[np.ndarray, " candidates"]:
    if prior is None:
        return np.full(count, 1 / count)
    own = np.asarray(prior, float)
    if own.shape != (count,) or not (own >= 0).all() or not np.isclose(own.sum(), 1):
        raise Refused(
            f"prior must be {count} probabilities that sum to 1, one a candidate, got the shape "
            f"{own.shape} and the sum {own.sum():g}"
        )
    return own / own.sum()


def _kl(
    one: Float[np.ndarray, "... candidates"], other: Float[np.ndarray, "... candidates"]
) -> Float[np.ndarray, "..."]:
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(one > 0, one * (np.log(one) - np.log(other)), 0.0)
    return np.maximum(each.sum(axis=-1), 0.0)


def _check_noise(noise_std: float | Float[np.ndarray, " numbers"]) -> None:
    if not (np.asarray(noise_std) > 0).all():
        raise Refused("noise_std must be above 0: without noise the posterior is certain")


def _log_likelihoods(
    observed: Float[np.ndarray, "... numbers"],
    candidates: Float[np.ndarray, "candidates numbers"],
    noise_std: float | Float[np.ndarray, " numbers"],
    name: str,
) -> Float[np.ndarray, "... candidates"]:
    _check_noise(noise_std)
    sent, gradients = np.asarray(observed, float), _candidates(candidates)
    if sent.ndim < 1 or sent.shape[-1] != gradients.shape[1]:
        found = f"{name} {sent.shape}, {gradients.shape}".lstrip()
        raise Refused(f"observed and candidate_gradients need as many numbers, got {found}")
    if np.shape(noise_std) not in ((), gradients.shape[1:]):
        raise Refused(f"noise_std must be one number, or one for each of {gradients.shape[1]}")
    middle = gradients.mean(axis=0)  # the differences are small where the gradients are long
    with np.errstate(over="ignore", invalid="ignore"):
        sent, gradients = (sent - middle) / noise_std, (gradients - middle) / noise_std
        found = sent @ gradients.T - np.square(gradients).sum(axis=1) / 2
    if not np.isfinite(found).all():
        raise Refused("likelihoods are not finite: observed is not, or noise_std is too small")
    return found


def _candidates(gradients: Float[np.ndarray, "..."]) -> Float[np.ndarray, "candidates numbers"]:
    each = np.asarray(gradients, float)
    if each.ndim != 2 or not np.isfinite(each).all():
        raise Refused(f"candidate_gradients (candidates, numbers) must be finite, got {each.shape}")
    return each
