"""The privacy profile of a mechanism: δ at every ε, and the advantage that follows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from pptp_jax.privacy.accounting import dp_accounting
from pptp_jax.validation import Refused, at_least, fraction, keep_python_numbers, one_of, positive

Direction = Literal["remove", "add"]
DIRECTIONS: tuple[Direction, ...] = ("remove", "add")
# Beyond this ε a test of likelihoods errs on one side alone, to the precision of float64.
_FAR, _GRID = 40.0, 241
# The exponentials of larger numbers leave float64; a δ there is a little too large.
_MOST = 700.0


@dataclass(frozen=True, kw_only=True)
class PrivacyProfile:
    r"""The subsampled Gaussian mechanism, step after step, as one function δ(ε).

    Each step adds noise to a sum that an example joins with probability `rate`. δ is the largest
    \(P(S) - e^\varepsilon Q(S)\) over sets S of results: with P and Q the results with and without
    the example (`remove`), or the other way round (`add`). It is an upper bound, by privacy-loss
    distributions that connect the dots.

    Attributes:
        rate: the probability that the example joins a step.
        noise_multiplier: the noise's standard deviation over the example's largest norm.
        steps: how many there are.

    Raises:
        ValueError: if the rate lies outside [0, 1], the noise is not positive or there is no step.

    References:
        Doroshenko et al., "Connect the Dots: Tighter Discrete Approximations of Privacy Loss
        Distributions", PETS 2022, https://arxiv.org/abs/2207.04380

    Examples:
        >>> plain = privacy_profile(rate=0.1, noise_multiplier=0.6543, steps=10)
        >>> lively = privacy_profile(rate=0.8, noise_multiplier=2.4072, steps=10)
        >>> [round(one.advantage, 3) for one in (plain, lively)]
        [0.237, 0.399]
    """

    rate: float
    noise_multiplier: float
    steps: int

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        fraction(rate=self.rate)
        positive(noise_multiplier=self.noise_multiplier)
        at_least(1, steps=self.steps)

    def delta(
        self,
        epsilon: float | Float[np.ndarray, " epsilons"],
        direction: Direction | None = None,
    ) -> Any:
        """δ at an ε, or at several; an ε may be negative.

        Args:
            epsilon: ε, one number or an array.
            direction: whether the example is removed or added; None is the larger of both.

        Returns:
            As many δ as there are ε.

        Raises:
            ValueError: if the direction is neither, or an ε is nan.

        Examples:
            >>> profile = privacy_profile(rate=0.1, noise_multiplier=1.0, steps=10)
            >>> bool(profile.delta(1.0, "add") < profile.delta(1.0, "remove"))
            True
        """
        chosen = DIRECTIONS if direction is None else (direction,)
        for one in chosen:
            one_of(DIRECTIONS, direction=one)
        values = np.asarray(epsilon, np.float64)
        if np.isnan(values).any():
            raise Refused("epsilon must be a number, and may be infinite, got nan")
        found = np.max([self._deltas(values.ravel(), one) for one in chosen], axis=0)
        return found.reshape(values.shape) if values.ndim else float(found[0])

    def epsilon(self, delta: float) -> float:
        """The least ε at a δ; infinite where no ε suffices.

        Raises:
            ValueError: if δ does not lie between 0 and 1.
        """
        fraction(delta=delta)
        if self.rate == 0:
            return 0.0
        return float(self._losses.get_epsilon_for_delta(delta))

    @cached_property
    def advantage(self) -> float:
        """The most by which an attacker's true positives exceed its false ones: δ at ε = 0.

        It is the total variation, the same in both directions.
        """
        return float(self.delta(0.0))

    def trade_off(self, alpha: float | Float[np.ndarray, " rates"]) -> Any:
        """The least share of members that an attack misses at a share of false alarms.

        The convex function below both directions that follows from δ; an attack that does not know
        the direction does no better, and one that does may.

        Args:
            alpha: the false-positive rate, one number or an array.

        Returns:
            The false-negative rates, as many.

        Raises:
            ValueError: if a rate lies outside [0, 1].

        References:
            Dong, Roth and Su, "Gaussian Differential Privacy", 2022,
            https://arxiv.org/abs/1905.02383, proposition 2.12

        Examples:
            >>> profile = privacy_profile(rate=1.0, noise_multiplier=1.0, steps=1)
            >>> round(profile.trade_off(0.05), 2)  # Φ(Φ⁻¹(0.95) − 1)
            0.74
        """
        fraction(alpha=np.asarray(alpha))
        at = np.asarray(alpha, np.float64)[..., None]
        delta, power = self._curve[1], np.exp(self._curve[0])
        lines = np.maximum(1 - delta - power * at, (1 - delta - at) / power)
        found = np.maximum(lines.max(axis=-1), 0.0)
        return found if found.ndim else float(found)

    @cached_property
    def _curve(self) -> tuple[Float[np.ndarray, " grid"], Float[np.ndarray, " grid"]]:
        grid = np.linspace(0.0, _FAR, _GRID) ** 2 / _FAR  # denser near 0
        return grid, self.delta(grid)

    @cached_property
    def _losses(self) -> Any:
        noise, steps = self.noise_multiplier, self.steps
        if self.rate == 1:  # Gaussian mechanisms compose to one
            noise, steps = noise / steps**0.5, 1
        one = dp_accounting().pld.privacy_loss_distribution.from_gaussian_mechanism(
            noise,
            sampling_prob=self.rate,
            value_discretization_interval=_interval(self.rate, noise),
            use_connect_dots=True,
        )
        return one.self_compose(steps)

    def _deltas(
        self, epsilons: Float[np.ndarray, " epsilons"], direction: Direction
    ) -> Float[np.ndarray, " epsilons"]:
        least = -np.expm1(np.minimum(epsilons, 0.0))
        if self.rate == 0:
            return least
        losses, with_it, without = self._tails[direction]
        above = np.searchsorted(losses, epsilons, side="right")
        powers = np.exp(np.minimum(epsilons, min(losses[-1], _MOST)))
        found = with_it[above] - powers * without[above]
        return np.clip(found, least, 1.0)

    @cached_property
    def _tails(self) -> dict[Direction, tuple[Float[np.ndarray, " _"], ...]]:
        """Each direction's losses, and the mass of all from each on, with and without the example.

        A look-up is then all that a δ takes; dp-accounting sums over all losses for each ε.
        """
        found = {}
        for direction in DIRECTIONS:
            # The library gives the larger of both directions alone; each lies in an attribute.
            pmf = getattr(self._losses, f"_pmf_{direction}").to_dense_pmf()
            losses = (np.arange(pmf.size) + pmf._lower_loss) * pmf._discretization
            masses = np.stack([pmf._probs, pmf._probs * np.exp(np.minimum(-losses, _MOST))])
            ends = np.array([[pmf._infinity_mass], [0.0]])
            tails = np.cumsum(np.concatenate([masses, ends], axis=1)[:, ::-1], axis=1)[:, ::-1]
            found[direction] = (losses, *tails)
        return found


def privacy_profile(*, rate: float, noise_multiplier: float, steps: int) -> PrivacyProfile:
    """The profile of steps of noisy sums over Poisson batches.

    Args:
        rate: the probability that the example joins a step.
        noise_multiplier: the noise's standard deviation over the example's largest norm.
        steps: how many there are.

    Raises:
        ValueError: if the rate lies outside [0, 1], the noise is not positive or there is no step.
        ImportError: from the profile's properties, if dp-accounting is not installed.

    Examples:
        >>> round(privacy_profile(rate=1.0, noise_multiplier=1.0, steps=1).advantage, 3)
        0.383
    """
    return PrivacyProfile(rate=rate, noise_multiplier=noise_multiplier, steps=steps)


def delta_divergence(one: PrivacyProfile, other: PrivacyProfile) -> float:
    r"""The Δ-divergence of two mechanisms in both directions, which bounds their risks' difference.

    Δ(M ‖ M̃) is the least κ for which M̃'s trade-off function lies above M's, shifted down and left
    by κ. It is the largest difference of the two Bayes errors over all priors of membership,
    \(\sup_\varepsilon (\tilde\delta(\varepsilon) - \delta(\varepsilon)) / (1 + e^\varepsilon)\):
    our derivation from the definition. The **advantage** of an attacker therefore differs by up to
    2 Δ.

    Args:
        one: a profile.
        other: another.

    Returns:
        Δ, between 0 and ½; symmetric, and 0 for the same mechanism. δ are upper bounds of a fixed
        precision, and so is their difference's error.

    References:
        Kaissis et al., "Beyond the Calibration Point: Mechanism Comparison in Differential
        Privacy", ICML 2024, https://arxiv.org/abs/2406.08918

    Examples:
        >>> strict = privacy_profile(rate=1.0, noise_multiplier=2.0, steps=1)
        >>> loose = privacy_profile(rate=1.0, noise_multiplier=1.0, steps=1)
        >>> round(delta_divergence(strict, loose), 4)  # Φ(−¼) − Φ(−½)
        0.0928
    """
    if one == other:
        return 0.0
    grid = one._curve[0]
    # Priors beyond ½ are those of the other direction.
    found = [
        np.abs(one.delta(grid, side) - other.delta(grid, side)) / (1 + np.exp(grid))
        for side in DIRECTIONS
    ]
    return float(np.max(found))


def _interval(rate: float, noise_multiplier: float) -> float:
    """The distance of losses on the grid: a part of the rate, as losses cluster around it."""
    widest = 0.5 / noise_multiplier**2 + 10 / noise_multiplier
    return max(1e-4, min(5e-4, rate / 5), widest / 1e6)
