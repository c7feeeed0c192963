"""Dataset inference: estimate the share of a data set that a model was trained on."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from pptp_jax.metrics.bootstrap import Drawn
from pptp_jax.metrics.estimate import Estimate
from pptp_jax.metrics.resamples import Bootstrap
from pptp_jax.metrics.roc import checked_scores
from pptp_jax.metrics.thresholds import best_threshold
from pptp_jax.validation import Refused, at_least

# Thresholds are chosen on the shadows of the other parts, so that the rates are not biased.
PARTS = 4


class UsedShare(NamedTuple):
    """The share of a data set's records that a model was trained on.

    Attributes:
        share: the debiased share, from 0 to 1, with its 95 % interval.
        counted: the share of the records that are called members, which is biased.
        tpr: of the guesses on shadows.
        fpr: of the guesses on shadows.
        records: how many records the data set has.

    Examples:
        >>> known = Estimate(0.3, 0.2, 0.4)
        >>> UsedShare(known, 0.45, Estimate(0.8, 0.7, 0.9), known, 100).to_json()["share"]
        {'value': 0.3, 'low': 0.2, 'high': 0.4}
    """

    share: Estimate
    counted: float
    tpr: Estimate
    fpr: Estimate
    records: int

    def to_json(self) -> dict[str, Any]:
        """The numbers by name."""
        found = {name: getattr(self, name)._asdict() for name in ("share", "tpr", "fpr")}
        return {**self._asdict(), **found}


def used_share(
    scores: Real[np.ndarray, " examples"],
    shadow_scores: Real[np.ndarray, "shadows examples"],
    shadow_membership: Bool[np.ndarray, "shadows examples"],
    *,
    threshold: float | None = None,
    resamples: int = 500,
    seed: int = 0,
) -> UsedShare:
    r"""Estimates the share of a data set that a model was trained on.

    A count of guesses is biased: it has the share \(p\,TPR + (1 - p)\,FPR\). Shadows tell both
    rates, and \(\hat p\) is the mean of (guess − FPR) / (TPR − FPR).

    The interval allows for the guesses on the model, for the rates, by a bootstrap of records,
    and for what models differ by: the errors of the same estimate on the shadows, as far
    as chance does not explain them. It supposes that the records used are as hard as the others,
    and that the model is to its records what the shadows are to theirs.

    Args:
        scores: an attack's scores of the data set's records against the model.
        shadow_scores: the same attack on models whose members are known.
        shadow_membership: which records each of them was trained on.
        threshold: above which a score is a guess "member"; None takes the one with the largest
            TPR − FPR, of each shadow on the shadows of other parts.
        resamples: the number of bootstrap resamples.
        seed: what the resamples depend on.

    Raises:
        Refused: if TPR − FPR is not above 0 with confidence, so that a count says nothing of the
            share; if there are fewer than two shadows; or if shapes disagree.

    References:
        The question is that of dataset-usage cardinality inference (DUCI), in Privacy Meter. How
        thresholds, rates and interval are found is our own: the paper was not at hand.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> membership = rng.random((5, 2000)) < 0.5
        >>> membership[0] = np.arange(2000) < 600
        >>> scores = rng.normal(size=(5, 2000)) + 3 * membership
        >>> found = used_share(scores[0], scores[1:], membership[1:])
        >>> found.share.low < 0.3 < found.share.high, found.share.high - found.share.low < 0.15
        (True, True)
    """
    at_least(1, resamples=resamples)
    shadows, records = shadow_scores.shape
    if scores.shape != (records,):
        raise Refused(
            f"scores must have shape ({records},), one a record as shadow_scores have them, got "
            f"{scores.shape}"
        )
    if shadows < 2:
        raise Refused(
            f"the rates of guesses need at least 2 shadows, got {shadows}: thresholds are chosen "
            "on others than those that judge them"
        )
    own = checked_scores(shadow_scores, shadow_membership)
    if not np.isfinite(own).all() or not np.isfinite(scores).all():
        raise Refused("scores and shadow_scores must be finite numbers, some are not")
    guesses, cut = _guesses(own, shadow_membership, threshold)
    by_shadow, by_example = Bootstrap(shadows, records, resamples, seed).weights()
    tpr, fpr = _rates(guesses, shadow_membership, by_shadow, by_example)
    gap = (tpr - fpr).estimate()
    if gap.value is None or gap.low is None or gap.low <= 0:
        raise Refused(
            "the count cannot be debiased: on the shadows the guesses are right as often of "
            f"members as wrong of non-members (TPR {tpr.value:.3f}, FPR {fpr.value:.3f}, 95 % "
            f"interval of the difference {_words(gap)}): use a stronger attack or more records"
        )
    counted = float((scores > cut).mean())
    value = (counted - fpr.value) / gap.value
    used = round(records * min(max(value, 0.0), 1.0))
    rng = np.random.default_rng([seed, 1])
    count = rng.binomial(used, tpr.value, resamples)
    count += rng.binomial(records - used, fpr.value, resamples)
    # Shadows are not drawn again here: what models differ by comes below, and once is enough.
    hits, alarms = _rates(guesses, shadow_membership, np.ones_like(by_shadow), by_example)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = (count / records - alarms.drawn) / (hits.drawn - alarms.drawn)
    # The model differs from the mean of all models, and so does the mean of the shadows.
    spread = _spread(guesses, shadow_membership, tpr.value, fpr.value)
    drawn += spread * np.sqrt(1 + 1 / shadows) * rng.standard_t(shadows - 1, resamples)
    share = Drawn(float(np.clip(value, 0, 1)), np.clip(drawn, 0, 1)).estimate()
    return UsedShare(share, counted, tpr.estimate(), fpr.estimate(), records)


def _guesses(
    scores: Float[np.ndarray, "shadows examples"],
    membership: Bool[np.ndarray, "shadows examples"],
    threshold: float | None,
) -> tuple[Bool[np.ndarray, "shadows examples"], float]:
    """Which records of each shadow are called members, and the threshold for the model."""
    if threshold is not None:
        return scores > threshold, threshold
    part = np.arange(len(scores)) % min(len(scores), PARTS)
    guesses = np.zeros(scores.shape, bool)
    for number in np.unique(part):
        others = part != number
        cut = best_threshold(scores[others], membership[others])
        guesses[~others] = scores[~others] > cut
    return guesses, best_threshold(scores, membership)


def _rates(
    guesses: Bool[np.ndarray, "shadows examples"],
    membership: Bool[np.ndarray, "shadows examples"],
    by_shadow: Int[np.ndarray, "resamples shadows"],
    by_example: Int[np.ndarray, "resamples examples"],
) -> tuple[Drawn, Drawn]:
    """The TPR and the FPR of the guesses, and what they become by weights."""

    def rate(among: Bool[np.ndarray, "shadows examples"]) -> Drawn:
        hits, all_ = (
            ((by_shadow @ chosen.astype(np.int64)) * by_example).sum(axis=1)
            for chosen in (guesses & among, among)
        )
        drawn = np.divide(hits, all_, out=np.full(len(hits), np.nan), where=all_ > 0)
        return Drawn(float(guesses[among].mean()), drawn)

    return rate(membership), rate(~membership)


def _spread(
    guesses: Bool[np.ndarray, "shadows examples"],
    membership: Bool[np.ndarray, "shadows examples"],
    tpr: float,
    fpr: float,
) -> float:
    """The standard deviation of the shares' errors beyond chance."""
    shadows, records = guesses.shape
    share = membership.mean(axis=1)
    error = (guesses.mean(axis=1) - fpr) / (tpr - fpr) - share
    chance = share * tpr * (1 - tpr) + (1 - share) * fpr * (1 - fpr)
    chance = chance.mean() / (records * (tpr - fpr) ** 2)
    # The rates come from the same shadows, which takes a part of each error away.
    return float(np.sqrt(max(0.0, (error**2).sum() / (shadows - 1) - chance)))


def _words(estimate: Estimate) -> str:
    if estimate.low is None:
        return "unknown"
    return f"{estimate.low:.3f} to {estimate.high:.3f}"
