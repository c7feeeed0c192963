"""The ε of a run, where it has one."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, NamedTuple

import numpy as np

from pptp_jax.privacy.ledger import Ledger
from pptp_jax.privacy.sampling import PoissonSampling
from pptp_jax.validation import Refused, fraction, one_of

ADD_OR_REMOVE = "one example added or removed"
ZERO_OUT = "one example's gradients set to zero"


@dataclass(frozen=True)
class Guarantee:
    """An (ε, δ) guarantee with its assumptions, to be printed beside every result.

    Attributes:
        epsilon: ε.
        delta: δ.
        neighbours: in what two data sets may differ.
        accountant: what computed it.
        overflow: the part of δ that covers Poisson batches that outgrow their padding.

    Examples:
        >>> print(Guarantee(1.8282, 1e-5, ADD_OR_REMOVE, "pld"))
        ε = 1.83 at δ = 1e-05 (one example added or removed; pld)
    """

    epsilon: float
    delta: float
    neighbours: str
    accountant: str
    overflow: float = 0.0

    def __str__(self) -> str:
        basis = f"{self.neighbours}; {self.accountant}"
        if self.overflow:
            basis += f"; δ includes {self.overflow:.0e} for batches that outgrow their padding"
        return f"ε = {self.epsilon:.3g} at δ = {self.delta:g} ({basis})"


def epsilon(
    phases: Ledger | Sequence[Ledger],
    *,
    delta: float,
    accountant: Literal["pld", "rdp"] = "pld",
) -> Guarantee:
    r"""The ε of a run, or a refusal that says why there is none.

    With Poisson sampling a step is the Gaussian mechanism subsampled at `rate`, composed over the
    steps. Data sets are neighbours if one example is added or removed; the bound also holds if an
    example's gradients are set to zero.

    Padded batches that are cut where they outgrow the padding add to δ, and not to ε, the
    probability τ that in any step the *other* examples alone fill the batch. That has the same
    probability with the example and without it, and where it does not happen no batch is cut in
    either case; so ε is that of entire batches at δ - τ.

    With shuffled batches an epoch is *one* Gaussian mechanism: an example is in at most one of its
    batches, and given that batch's noisy sum, the later steps are post-processing. E epochs compose
    to the noise multiplier σ/√E. This holds for each order of the examples, hence for a random one.
    Data sets are neighbours if an example's gradients are set to zero, which leaves all batches as
    they are; adding or removing an example would move the others from batch to batch. It is the
    bound of deterministic batches. A smaller ε from the order's randomness is not claimed: **the ε
    of Poisson sampling at the same batch size is not valid for shuffled batches**, and can be far
    too small (Chua et al. 2024). Neither relation covers the replacement of an example, which
    changes the clipped sum by up to twice the sensitivity.

    Formal guarantees:
        The parameters, and with them all that is computed from them, are (ε, δ)-differentially
        private, provided that the ledgers are true and cover all training on private data, that the
        first one started from public values, and that nothing else (losses, hyperparameters tuned
        on the data, membership) is released. ε is an upper bound: privacy-loss distributions are
        rounded pessimistically, and Rényi orders are converted to ε.

    Args:
        phases: the ledger of the run, or one a phase.
        delta: δ, below one over the number of examples.
        accountant: `pld` (privacy-loss distributions, tight) or `rdp` (Rényi, faster and looser).

    Returns:
        ε, δ and what they rest on.

    Raises:
        ValueError: if the entire update is not private, or is not known to be, with each reason; if
            there is no phase, δ does not lie between 0 and 1 or is not above the probability that
            a batch outgrows its padding, or the accountant is unknown.
        ImportError: if dp-accounting is not installed.

    References:
        Koskela, Jälkö and Honkela, "Computing Tight Differential Privacy Guarantees Using FFT",
        AISTATS 2020, https://arxiv.org/abs/1906.03049. Mironov, Talwar and Zhang, "Rényi
        Differential Privacy of the Sampled Gaussian Mechanism", 2019,
        https://arxiv.org/abs/1908.10530. Chua et al., "How Private are DP-SGD Implementations?",
        ICML 2024, https://arxiv.org/abs/2403.17673.

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> from pptp_jax.transforms import RegionClip
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> clip = RegionClip(regions, "protect", max_norm=1.0)
        >>> run = dict(noise_multiplier=1.0, sampling=PoissonSampling(rate=0.01, steps=1000))
        >>> private = Ledger.of(clip, frozen=("general",), statistics="none", **run)
        >>> print(epsilon(private, delta=1e-5))
        ε = 1.83 at δ = 1e-05 (one example added or removed; pld)
        >>> epsilon(
        ...     Ledger.of(clip, statistics="none", **run), delta=1e-5
        ... )  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: this run has no ε: region 'general' was trained in the ...
    """
    one_of(("pld", "rdp"), accountant=accountant)
    found = account(phases, delta=delta)
    dp, rest = found.dp, delta - found.overflow
    rdp = dp.rdp.RdpAccountant()
    if accountant == "rdp":
        bound = _compose(rdp, found.events, rest)
    else:
        interval = _interval(found.noised, _compose(rdp, found.events, rest))
        pld = dp.pld.PLDAccountant(value_discretization_interval=interval)
        bound = _compose(pld, found.events, rest)
    return Guarantee(bound, delta, found.neighbours, accountant, found.overflow)


class Account(NamedTuple):
    """The inputs of an accountant.

    Attributes:
        dp: the package that computes.
        events: the mechanisms, one a phase that adds noise.
        noised: these phases.
        neighbours: in what two data sets may differ.
        overflow: the probability that any batch outgrows its padding, at most.
    """

    dp: ModuleType
    events: list[Any]
    noised: list[Ledger]
    neighbours: str
    overflow: float

    def rdp(self) -> tuple[np.ndarray, np.ndarray]:
        """Rényi orders, and the ε of all phases together at each."""
        accountant = self.dp.rdp.RdpAccountant()
        with without_warnings():
            for event in self.events:
                accountant.compose(event)
        kept = np.asarray(accountant.orders) > 1
        return np.asarray(accountant.orders)[kept], np.asarray(accountant.rdp)[kept]


def account(phases: Ledger | Sequence[Ledger], *, delta: float, runs: float = 1) -> Account:
    """Checks that a run has an ε, and returns the accountant's inputs.

    Args:
        phases: the ledger of the run, or one a phase.
        delta: δ.
        runs: how many such runs share δ, which each of them may take a part of by its padding.

    Raises:
        ValueError: as `epsilon`.
        ImportError: if dp-accounting is not installed.
    """
    phases = (phases,) if isinstance(phases, Ledger) else tuple(phases)
    if not phases:
        raise Refused("ε needs the ledger of at least one phase, got none")
    fraction(delta=delta)
    if not 0 < delta < 1:
        raise Refused(f"delta must lie between 0 and 1, both excluded, got {delta}")
    reasons = [reason for phase in phases for reason in phase.obstacles]
    if reasons:
        raise Refused(f"this run has no ε: {'; '.join(dict.fromkeys(reasons))}")
    dp = dp_accounting()
    noised = [phase for phase in phases if phase.noised]
    poisson = [p.sampling for p in noised if isinstance(p.sampling, PoissonSampling)]
    overflow = min(1.0, runs * sum(sampling.steps * sampling.overflow for sampling in poisson))
    if overflow >= delta:
        raise Refused(
            f"a batch outgrows its padding with a probability of up to {overflow:g}, which delta "
            f"must exceed, got {delta:g}: draw Poisson batches with a smaller overflow"
        )
    neighbours = ADD_OR_REMOVE if len(poisson) == len(noised) else ZERO_OUT
    return Account(dp, [_event(dp, phase) for phase in noised], noised, neighbours, overflow)


def dp_accounting() -> ModuleType:
    """The library that computes ε.

    Raises:
        ImportError: saying how to install it.
    """
    try:
        import dp_accounting as found
    except ImportError as error:
        raise ImportError(
            "ε is computed by dp-accounting, which is not installed: "
            'python -m pip install "pptp-jax[dp]"'
        ) from error
    return found


def _event(dp: ModuleType, phase: Ledger) -> Any:
    gaussian = dp.GaussianDpEvent(phase.noise_multiplier)
    if isinstance(phase.sampling, PoissonSampling):
        sampled = dp.PoissonSampledDpEvent(phase.sampling.rate, gaussian)
        return dp.SelfComposedDpEvent(sampled, phase.sampling.steps)
    assert phase.sampling is not None  # an unknown sampling is an obstacle
    return dp.SelfComposedDpEvent(gaussian, phase.sampling.epochs)


def _compose(accountant: Any, events: list[Any], delta: float) -> float:
    with without_warnings():
        for event in events:
            accountant.compose(event)
        return float(accountant.get_epsilon(delta))


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silences the library's warnings of omitted orders, which only round ε up."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _interval(phases: list[Ledger], bound: float) -> float:
    # The losses are held on a grid. With little noise they spread far, and a grid of a fixed step
    # would fill the memory; a coarser one only rounds ε further up.
    least = min((phase.noise_multiplier or 1.0 for phase in phases), default=1.0)
    return max(1e-4, bound / 1e5, (0.5 / least**2 + 10 / least) / 1e6)
