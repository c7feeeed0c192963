"""The blind baseline: do inputs and labels alone distinguish members from non-members?"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Real, Shaped
from scipy.special import expit, logit
from scipy.stats import norm

from pptp_jax.data.blind_scores import column_scores, input_columns, label_columns, token_scores
from pptp_jax.metrics import Estimate, delong
from pptp_jax.validation import Refused, at_least

# Below this p-value members can be distinguished without the model.
LEVEL = 0.01
# Of fewer examples on either side a classifier learns nothing.
FEWEST = 20
# More examples take long and change little.
_EXAMPLES = 10_000
# The variance of a cross-validated AUC where nothing can be learned, over that of a fixed score: a
# pair of examples counts twice, once as (training, test) and once as (test, training).
_TWICE = 2.0


class BlindBaseline(NamedTuple):
    """The AUC of a classifier of membership that sees inputs and labels, and no model.

    Attributes:
        auc: cross-validated, with its 95 % interval.
        p_value: the probability of an AUC as large where membership is drawn by chance.
        examples: how many were looked at.
        reads: what the classifier sees: `inputs`, `labels`, or both.

    Examples:
        >>> BlindBaseline(Estimate(0.7, 0.6, 0.8), 0.001, 400, ("labels",)).found()
        True
    """

    auc: Estimate
    p_value: float
    examples: int
    reads: tuple[str, ...]

    def found(self, judged: int = 1) -> bool:
        """Whether the difference is significant at 1 %, of one target among several that count.

        Args:
            judged: how many targets are judged; the level is divided by their number.
        """
        return self.p_value * judged < LEVEL

    def in_words(self, judged: int = 1) -> str:
        """A sentence on what it means for attacks on a model.

        Its p-value is that of `found`: corrected for the number of targets.

        Args:
            judged: how many targets are judged.
        """
        value, low, high = self.auc
        by = " and ".join(self.reads)
        corrected = min(1.0, self.p_value * judged)
        chance = "p < 0.0001" if corrected < 1e-4 else f"p = {corrected:.2g}"
        several = f" after correction for {judged} targets" if judged > 1 else ""
        number = f"{value:.3f} ({low:.3f} to {high:.3f}, {chance}{several})"
        if self.found(judged):
            return (
                f"{by} alone distinguish members from non-members: a classifier that never saw the "
                f"model reaches an AUC of {number}. Every attack's number is suspect, since an "
                "attack can find the same difference in what the model answers. Draw members and "
                "non-members by chance from one source, then train"
            )
        return (
            f"{by} alone do not distinguish members from non-members significantly: a classifier "
            f"that never saw the model reaches an AUC of {number}, and significant is "
            f"p < {LEVEL}. Another classifier may find more"
        )


def blind_baseline(
    x: Shaped[np.ndarray, "examples ..."] | None,
    y: Real[np.ndarray, "examples ..."] | None,
    membership: Bool[np.ndarray, " examples"],
    *,
    tokens: bool = False,
    folds: int = 5,
    seed: int = 0,
) -> BlindBaseline:
    """Judges whether members differ from non-members in their inputs and labels.

    An attack is supposed to find what a model has learned from its members. Where members and
    non-members come from different sources, it may find the sources instead. This classifier never
    sees the model: where its AUC is above .5, every attack's number is suspect.

    Columns are judged by the mean of two ranks, that of a ridge regression and that of boosted
    trees; tokens by a logistic regression on which of them a record has; labels without inputs by
    the ridge regression. All are cross-validated in folds with equal shares of members, and scores
    are ranked within their fold, so that exchangeable data have an expected AUC of .5 exactly.

    The folds share their training data. Where nothing can be learned, the variance of the AUC is
    therefore twice that of a score that was fixed beforehand: an interval that ignores it excludes
    .5 about three times as often as it should. Interval and p-value allow for it. Where members and
    non-members do differ, the interval is wider than it need be.

    Args:
        x: the inputs; None looks at the labels alone.
        y: the labels, classes or numbers; None looks at the inputs alone.
        membership: who is a member.
        tokens: whether inputs are text: token numbers (records, tokens), with -1 behind the end.
        folds: how often a part of the examples is held out.
        seed: what folds, and the sample of more than 10,000 examples, depend on.

    Raises:
        ValueError: if there are fewer than 20 members or 20 non-members, fewer than 2 folds, shapes
            disagree, or there are no inputs and no labels.

    References:
        Das, Zhang and Tramèr, "Blind Baselines Beat Membership Inference Attacks for Foundation
        Models", 2024, https://arxiv.org/abs/2406.16201; Bengio and Grandvalet, "No Unbiased
        Estimator of the Variance of K-Fold Cross-Validation", JMLR 5, 2004.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> membership = rng.random(200) < 0.5
        >>> x, y = rng.normal(size=(200, 4)), rng.integers(0, 3, 200)
        >>> blind_baseline(x, y, membership).found()
        False
        >>> blind_baseline(x + membership[:, None], y, membership).found()
        True
    """
    _check(x, y, membership, tokens)
    at_least(2, folds=folds)
    at_least(0, seed=seed)
    rng = np.random.default_rng(seed)
    rows = np.arange(len(membership))
    if len(rows) > _EXAMPLES:
        rows = np.sort(rng.choice(rows, _EXAMPLES, replace=False))
    members = membership[rows]
    counts = int(members.sum()), int((~members).sum())
    if min(counts) < FEWEST:
        raise Refused(
            f"a blind baseline needs at least {FEWEST} members and {FEWEST} non-members, got "
            f"{counts[0]} and {counts[1]}"
        )
    held_out = _folds(members, folds, rng)
    labels = None if y is None else label_columns(y[rows])
    if x is not None and tokens:
        scores = token_scores(x[rows], labels, members, held_out)
    else:
        parts = [] if x is None else [input_columns(x[rows])]
        parts += [] if labels is None else [labels]
        scores = column_scores(np.hstack(parts), members, held_out, trees=x is not None)
    auc = delong(scores, members)
    fixed = np.sqrt((len(rows) + 1) / (12 * counts[0] * counts[1]))  # of Mann and Whitney
    deviations = ((auc.value or 0.0) - 0.5) / (np.sqrt(_TWICE) * fixed)
    reads = tuple(name for name, part in (("inputs", x), ("labels", y)) if part is not None)
    return BlindBaseline(_widened(auc), float(norm.sf(deviations)), len(rows), reads)


def _check(x: Any, y: Any, membership: np.ndarray, tokens: bool) -> None:
    if membership.dtype != bool or membership.ndim != 1:
        raise Refused(
            "membership must be boolean of shape (examples,), of one model, got "
            f"{membership.dtype} of shape {membership.shape}"
        )
    if x is None and y is None:
        raise Refused("a blind baseline needs inputs, labels, or both, and there are neither")
    for name, part in (("x", x), ("y", y)):
        if part is None:
            continue
        if part.dtype.kind not in "buif" or not part.ndim or len(part) != len(membership):
            raise Refused(
                f"{name} must be numbers, one row for each of {len(membership)} examples, got "
                f"{part.dtype} of shape {part.shape}"
            )
        if not np.isfinite(part).all():
            raise Refused(f"{name} must be finite, and some of its numbers are NaN or infinite")
    if tokens and (x is None or x.ndim != 2 or x.dtype.kind not in "iu"):
        found = "none" if x is None else f"{x.dtype} of shape {x.shape}"
        raise Refused(
            f"tokens must be integers of shape (records, tokens), got {found}: without "
            "tokens=True inputs may be any numbers"
        )


def _folds(
    members: Bool[np.ndarray, " examples"], folds: int, rng: np.random.Generator
) -> list[Int[np.ndarray, " test"]]:
    """The examples of each fold, with equal shares of members as far as they can be."""
    if folds > min(members.sum(), (~members).sum()):
        raise Refused(f"folds must be at most the members and the non-members, got {folds}")
    number = np.empty(len(members), int)
    for side in (members, ~members):
        number[side] = rng.permutation(int(side.sum())) % folds
    return [np.flatnonzero(number == fold) for fold in range(folds)]


def _widened(auc: Estimate) -> Estimate:
    """The estimate with the interval of twice the variance, on the logit scale.

    That of an AUC of 0 or 1 is exact and knows no variance.
    """
    value, low, high = auc
    if value is None or low is None or high is None or value in (0.0, 1.0):
        return auc
    middle = logit(value)
    ends = expit(middle + np.sqrt(_TWICE) * (logit([low, high]) - middle))
    return Estimate(value, *ends.tolist())
