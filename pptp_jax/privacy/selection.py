"""Private selection: the ε of keeping the best of several private runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import expm1

from pptp_jax.privacy.accounting import Guarantee, account
from pptp_jax.privacy.ledger import Ledger
from pptp_jax.validation import Refused, keep_python_numbers, not_negative


@dataclass(frozen=True, kw_only=True)
class RandomTrials:
    """How many trials a private selection makes: a random number, drawn before the first.

    A fixed number would not do: with it, the best of K runs can cost nearly K times the ε of one.

    Attributes:
        mean: the expected number, at least 1; with 1 there is always one trial.
        shape: η of a truncated negative binomial distribution: 1 is the geometric, 0 the
            logarithmic distribution; infinity is the Poisson distribution, which may give no trial
            at all. A smaller η costs less and varies more.

    Raises:
        ValueError: if the mean is below 1 or the shape below 0.

    References:
        Papernot and Steinke, "Hyperparameter Tuning with Renyi Differential Privacy", ICLR 2022,
        https://arxiv.org/abs/2110.03620

    Examples:
        >>> trials = RandomTrials(mean=10)
        >>> round(trials.gamma, 6), trials.draw(seed=0) >= 1
        (0.1, True)
    """

    mean: float
    shape: float = 1.0

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        if not self.mean >= 1 or math.isinf(self.mean):
            raise Refused(f"the mean number of trials must be finite, at least 1, got {self.mean}")
        if self.shape != math.inf:
            not_negative(shape=self.shape)

    @property
    def gamma(self) -> float:
        """γ of the truncated negative binomial distribution with this mean; 1 if that is 1."""
        if self.mean == 1:
            return 1.0
        # The mean falls from infinity to 1 as γ rises to 1.
        wanted = math.log(self.mean)
        return math.exp(brentq(lambda x: _log_mean(x, self.shape) - wanted, -200, -1e-12))

    def draw(self, seed: int) -> int:
        """The number of trials.

        Args:
            seed: secret and not used for anything else.
        """
        rng = np.random.default_rng(seed)
        if self.mean == 1 and self.shape != math.inf:
            return 1
        if self.shape == math.inf:
            return int(rng.poisson(self.mean))
        if self.shape == 0:
            return int(rng.logseries(1 - self.gamma))
        while True:  # the truncated distribution: those above 0 of the negative binomial
            if number := int(rng.negative_binomial(self.shape, self.gamma)):
                return number


def selected_rdp(
    orders: Float[np.ndarray, " orders"],
    rdp: Float[np.ndarray, " orders"],
    trials: RandomTrials,
) -> Float[np.ndarray, " orders"]:
    r"""The Rényi differential privacy of the best of a random number of private runs.

    With a truncated negative binomial number K, (λ, ε)- and (λ̂, ε̂)-RDP of a run give (λ, ε')-RDP
    with ε' = ε + (1 + η)(1 − 1/λ̂) ε̂ + (1 + η) log(1/γ) / λ̂ + log E[K] / (λ − 1), for the best λ̂
    (Theorem 2). With a Poisson number, (λ, ε)-RDP and (ε̂, δ̂)-DP at ε̂ = log(1 + 1 / (λ − 1)) give
    ε' = ε + E[K] δ̂ + log E[K] / (λ − 1) (Theorem 6).

    Args:
        orders: λ, above 1.
        rdp: ε of one run, which includes the random choice of its hyperparameters.
        trials: the distribution of K.

    Returns:
        ε' at the same orders; `rdp` itself if there is always one trial.

    Raises:
        ValueError: if shapes differ, or an order is not above 1.

    References:
        Papernot and Steinke, 2022, https://arxiv.org/abs/2110.03620, Theorems 2 and 6. Liu and
        Talwar, "Private Selection from Private Candidates", STOC 2019,
        https://arxiv.org/abs/1811.07971: with a geometric number ε becomes 3ε, at δ = 0.

    Examples:
        With ε-DP at all orders and a geometric number, the three ε of Liu and Talwar:

        >>> print(selected_rdp(np.array([1e9]), np.array([0.5]), RandomTrials(mean=10)).round(6))
        [1.5]
    """
    if orders.shape != rdp.shape or not (orders > 1).all():
        raise Refused(
            f"needs an RDP for each order above 1, got orders of shape {orders.shape} from "
            f"{orders.min(initial=math.inf):g} and RDP of shape {rdp.shape}"
        )
    if trials.shape == math.inf:
        slack = np.array([_delta(orders, rdp, math.log1p(1 / (own - 1))) for own in orders])
        return rdp + trials.mean * slack + math.log(trials.mean) / (orders - 1)
    if trials.mean == 1:
        return rdp.copy()
    eta, gamma = trials.shape, trials.gamma
    constant = (1 + eta) * np.min((1 - 1 / orders) * rdp - math.log(gamma) / orders)
    raised = rdp + constant + math.log(trials.mean) / (orders - 1)
    # RDP of a higher order holds at a lower one as well.
    order = np.argsort(orders)
    raised[order] = np.minimum.accumulate(raised[order][::-1])[::-1]
    return raised


def private_selection(
    candidates: Ledger | Sequence[Sequence[Ledger]], *, delta: float, trials: RandomTrials
) -> Guarantee:
    """The ε of the best of a random number of private runs, or a refusal that says why not.

    Formal guarantees:
        Network and hyperparameters of the best trial together are (ε, δ)-differentially private,
        provided that:

        - the number of trials is drawn from `trials`, and it is not published;
        - each trial draws its hyperparameters again from one distribution, independently of other
          trials and of the data, so no search that learns from earlier scores;
        - what scores a trial is a function of its private network and of public or held-out data.
          **An attack on members is none**, nor is accuracy on members;
        - nothing of the other trials is published, their scores included;
        - the ledgers cover every setting that can be drawn, each as `epsilon` demands.

    Args:
        candidates: the ledger of a run; or for each setting that can be drawn its ledgers, one a
            phase. At each order the worst of them counts.
        delta: δ.
        trials: the distribution of the number of trials.

    Returns:
        ε by Rényi accounting, δ and what they rest on.

    Raises:
        ValueError: as `epsilon`; if there is no candidate, or they have several relations between
            neighbouring data sets.
        ImportError: if dp-accounting is not installed.

    References:
        Papernot and Steinke, 2022, https://arxiv.org/abs/2110.03620

    Examples:
        >>> from pptp_jax.privacy import PoissonSampling
        >>> from pptp_jax.regions import RegionMap
        >>> from pptp_jax.transforms import RegionClip
        >>> clip = RegionClip(RegionMap.from_rules([(".*", "protect")]), "protect", max_norm=1.0)
        >>> sampling = PoissonSampling(rate=0.01, steps=1000)
        >>> run = Ledger.of(clip, noise_multiplier=1.0, sampling=sampling, statistics="none")
        >>> for mean in (1, 10, 100):
        ...     print(private_selection(run, delta=1e-5, trials=RandomTrials(mean=mean)))
        ε = 2.1 at δ = 1e-05 (one example added or removed; rdp)
        ε = 4.1 at δ = 1e-05 (one example added or removed; rdp, best of 10 trials on average)
        ε = 5.27 at δ = 1e-05 (one example added or removed; rdp, best of 100 trials on average)
    """
    every = [(candidates,)] if isinstance(candidates, Ledger) else [*map(tuple, candidates)]
    if not every:
        raise Refused("a private selection needs at least one candidate, got none")
    # E[K] runs can each outgrow their padding.
    found = [account(phases, delta=delta, runs=trials.mean) for phases in every]
    kinds = {one.neighbours for one in found}
    if len(kinds) > 1:
        raise Refused(
            "the candidates must have one relation between neighbouring data sets, got "
            + " and ".join(sorted(kinds))
        )
    overflow = max(one.overflow for one in found)
    orders = found[0].rdp()[0]
    worst = np.max([one.rdp()[1] for one in found], axis=0)
    rdp = selected_rdp(orders, worst, trials)
    bound, _ = found[0].dp.rdp.compute_epsilon(orders, rdp, delta - overflow)
    words = "rdp" if trials.mean == 1 else f"rdp, best of {trials.mean:g} trials on average"
    return Guarantee(float(bound), delta, kinds.pop(), words, overflow)


def _log_mean(log_gamma: float, shape: float) -> float:
    """Log E[K] of a truncated negative binomial K."""
    if shape == 0:
        return float(np.log(expm1(-log_gamma) / -log_gamma))
    # η (1 − γ) / (γ (1 − γ^η))
    return float(
        np.log(shape) - log_gamma + np.log(-expm1(log_gamma)) - np.log(-expm1(shape * log_gamma))
    )


def _delta(orders: Any, rdp: Any, epsilon: float) -> float:
    """δ at some ε, by the best order.

    δ = exp((λ − 1)(ε_λ − ε)) (1 − 1/λ)^(λ − 1) / λ, and no more than the total variation.
    """
    logs = (orders - 1) * (rdp - epsilon + np.log1p(-1 / orders)) - np.log(orders)
    with np.errstate(divide="ignore"):  # no divergence, no δ
        variation = np.log1p(-np.exp(-rdp)) / 2
    return float(np.exp(min(0.0, logs.min(), variation.min())))
