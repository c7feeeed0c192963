"""A lower bound on ε from many runs, each with or without a canary."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.special import ndtri

from pptp_jax.audit.bound import MECHANISMS, EpsilonBound, Mechanism, check_canaries, check_level
from pptp_jax.metrics import clopper_pearson
from pptp_jax.privacy import gaussian_epsilon
from pptp_jax.validation import Refused, one_of

Threshold = Literal["split", "ranks"] | float


class _Counts(NamedTuple):
    """At each threshold, of `outside` runs and of `inside` runs, those that are called "in"."""

    false_positives: Int[np.ndarray, " thresholds"]
    true_positives: Int[np.ndarray, " thresholds"]
    outside: int
    inside: int

    def bounds(
        self, delta: float, significance: float, mechanism: Mechanism = "any"
    ) -> Float[np.ndarray, " thresholds"]:
        """The bound of each threshold, as if it had been the only one.

        Both directions come from the same two limits, so that the better one costs nothing.
        """
        confidence = 1 - significance  # the limits used are one on each side: half of it each
        fpr = clopper_pearson(self.false_positives, self.outside, confidence=confidence).high
        tpr = clopper_pearson(self.true_positives, self.inside, confidence=confidence).low
        if mechanism == "gaussian":
            # μ ≥ Φ⁻¹(TPR) − Φ⁻¹(FPR), which is infinite nowhere: the limits are none of 0 and 1.
            least = np.maximum(ndtri(tpr) - ndtri(fpr), 0.0)
            return np.array([gaussian_epsilon(mu, delta) for mu in least.tolist()])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.maximum((tpr - delta) / fpr, (1 - fpr - delta) / (1 - tpr))
        return np.log(np.maximum(ratios, 1.0))


def epsilon_in_many_runs(
    scores: Real[np.ndarray, "runs *canaries"],
    membership: Bool[np.ndarray, "runs *canaries"],
    *,
    delta: float = 0.0,
    confidence: float = 0.95,
    threshold: Threshold = "split",
    mechanism: Mechanism = "any",
    seed: int = 0,
) -> EpsilonBound:
    """A lower bound on the ε of a training from independent runs with and without a canary.

    Under (ε, δ), TPR ≤ e^ε FPR + δ and TNR ≤ e^ε FNR + δ for every way to tell the two apart. Each
    rate is replaced by its Clopper-Pearson limit.

    Args:
        scores: one a run, or one a run and canary; a larger one means "more likely a member".
        membership: in which runs the canary was. With several canaries each is in by coins of its
            own.
        delta: δ.
        confidence: of the bound, the choice of a threshold and of a canary included.
        threshold: `split` chooses canary and threshold on one half of the runs and takes the bound
            from the other half. `ranks` tries the thresholds at the 1st, 2nd, 4th, 8th, ... highest
            score of the runs without the canary and lowest of those with it, at a significance
            divided by their number (Bonferroni). A number chosen without a look at these scores
            is used as it is: "in" from there up. The last two take one canary.
        mechanism: `gaussian` supposes that the training is a Gaussian mechanism and bounds its μ,
            which every pair of rates does; δ must then be above 0.
        seed: how the runs are split.

    Raises:
        ValueError: if scores and membership do not fit, the runs are too few, or several canaries
            are to be chosen from without a split.

    References:
        Jagielski, Ullman and Oprea, "Auditing Differentially Private Machine Learning: How Private
        is Private SGD?", NeurIPS 2020, https://arxiv.org/abs/2006.07709. Nasr et al., "Adversary
        Instantiation", S&P 2021, https://arxiv.org/abs/2101.04535. Nasr et al., "Tight Auditing of
        Differentially Private Machine Learning", USENIX Security 2023,
        https://arxiv.org/abs/2302.07956 (`gaussian`)

    Examples:
        >>> membership = np.arange(400) % 2 == 0
        >>> scores = np.where(membership, 3.0, -3.0) + np.arange(400) / 400
        >>> print(epsilon_in_many_runs(scores, membership))
        ε ≥ 3.28 at δ = 0 with 95 % confidence (0 of 100 runs without the canary and 100 of ...)
    """
    check_level(delta, confidence)
    check_canaries(scores, membership)
    if scores.ndim not in (1, 2) or not scores.size:
        raise Refused(
            f"many runs need scores of shape (runs,) or (runs, canaries), got {scores.shape}"
        )
    if isinstance(threshold, str):
        one_of(("split", "ranks"), threshold=threshold)
    one_of(MECHANISMS, mechanism=mechanism)
    columns = (len(scores), -1)
    scores, membership = scores.reshape(columns), membership.reshape(columns)
    needed = 2 if threshold == "split" else 1
    fewest = min(membership.sum(axis=0).min(), (~membership).sum(axis=0).min())
    if fewest < needed:
        raise Refused(
            f"needs at least {needed} runs with and {needed} without each canary, and some canary "
            f"has {fewest} of one kind"
        )
    significance = 1 - confidence
    if threshold == "split":
        bound, evidence = _split(scores, membership, delta, significance, mechanism, seed)
    elif scores.shape[1] > 1:
        raise Refused(
            f"one of {scores.shape[1]} canaries can only be chosen on runs of its own: give "
            "threshold='split', or a single canary"
        )
    else:
        inside, outside = scores[membership], scores[~membership]
        if threshold == "ranks":
            counts = _at_ranks(inside, outside)
            significance /= len(counts.false_positives)
        else:
            counts = _at(inside, outside, np.array([threshold], float))
        bounds = counts.bounds(delta, significance, mechanism)
        best = int(bounds.argmax())
        bound, evidence = float(bounds[best]), _words(counts, best)
    return EpsilonBound(epsilon=bound, delta=delta, confidence=confidence, evidence=evidence)


def _split(
    scores: Real[np.ndarray, "runs canaries"],
    membership: Bool[np.ndarray, "runs canaries"],
    delta: float,
    significance: float,
    mechanism: Mechanism,
    seed: int,
) -> tuple[float, str]:
    """Makes all choices on the first half of the runs."""
    halves = [
        _halves(scores[:, i], membership[:, i], np.random.default_rng((seed, i)))
        for i in range(scores.shape[1])
    ]
    best, chosen, at = -1.0, 0, 0.0
    for i, (first, _) in enumerate(halves):
        values = np.unique(np.concatenate(first))
        if len(values) < 2:
            continue
        between = (values[1:] + values[:-1]) / 2
        bounds = _at(*first, between).bounds(delta, significance, mechanism)
        if bounds.max() > best:
            best, chosen, at = float(bounds.max()), i, float(between[bounds.argmax()])
    counts = _at(*halves[chosen][1], np.array([at]))
    [bound] = counts.bounds(delta, significance, mechanism)
    which = f"canary {chosen} and " if len(halves) > 1 else ""
    return float(bound), f"{_words(counts, 0)}; {which}threshold chosen on the other half"


def _halves(
    scores: Real[np.ndarray, " runs"],
    membership: Bool[np.ndarray, " runs"],
    rng: np.random.Generator,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The scores (with, without the canary) of either half."""
    parts = [rng.permutation(scores[chosen]) for chosen in (membership, ~membership)]
    [a, c], [b, d] = [(part[: len(part) // 2], part[len(part) // 2 :]) for part in parts]
    return (a, b), (c, d)


def _at(
    inside: Real[np.ndarray, " inside"],
    outside: Real[np.ndarray, " outside"],
    thresholds: Float[np.ndarray, " thresholds"],
) -> _Counts:
    """Called "in" is what reaches the threshold."""
    counts = [
        len(part) - np.searchsorted(np.sort(part), thresholds, side="left")
        for part in (outside, inside)
    ]
    return _Counts(counts[0], counts[1], len(outside), len(inside))


def _at_ranks(
    inside: Real[np.ndarray, " inside"], outside: Real[np.ndarray, " outside"]
) -> _Counts:
    """Thresholds just above scores of runs without the canary, and at scores of runs with it.

    Which rank is looked at does not depend on the scores. Of n runs the k-th highest score leaves
    a rate above it that is distributed as Beta(k, n − k + 1), or smaller with ties: the limit of
    Clopper and Pearson for k − 1 successes is exact although the threshold is one of the scores,
    and for the other kind of run the threshold is any other number.
    """
    highest_outside, lowest_inside = -np.sort(-outside), np.sort(inside)
    above = highest_outside[_ranks(len(outside))]
    from_there = lowest_inside[_ranks(len(inside))]
    just_above = _at(inside, outside, np.nextafter(above.astype(float), np.inf))
    at = _at(inside, outside, from_there.astype(float))
    return _Counts(
        np.concatenate([just_above.false_positives, at.false_positives]),
        np.concatenate([just_above.true_positives, at.true_positives]),
        len(outside),
        len(inside),
    )


def _ranks(runs: int) -> Int[np.ndarray, " ranks"]:
    """The 1st, 2nd, 4th, 8th, ... place, counted from 0."""
    return 2 ** np.arange(runs.bit_length()) - 1


def _words(counts: _Counts, at: int) -> str:
    return (
        f"{counts.false_positives[at]} of {counts.outside} runs without the canary and "
        f"{counts.true_positives[at]} of {counts.inside} with it called in"
    )
