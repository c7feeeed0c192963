"""The metrics of an attack over all its targets."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from pptp_jax.metrics.bootstrap import Drawn
from pptp_jax.metrics.estimate import UNRESOLVED, Estimate
from pptp_jax.metrics.resamples import Bootstrap
from pptp_jax.metrics.roc import ppv
from pptp_jax.metrics.weighted_ranks import Ranking, Weighed
from pptp_jax.validation import fraction

FPRS = (0.1, 0.01, 0.001, 0.0001)
PRIORS = (0.01, 0.1, 0.5)
# Where the precision is taken: an attacker who cares for it raises few false alarms, and these are
# the two rates that samples of thousands still resolve.
PPV_FPRS = (0.01, 0.001)
# A rate is coarse where fewer pairs than this may lie beyond its threshold.
COARSE_BELOW = 10


def attack_metrics(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    *,
    fprs: Sequence[float] = FPRS,
    fnrs: Sequence[float] = FPRS,
    priors: Sequence[float] = PRIORS,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Computes the metrics of an attack over all its targets, with 95 % intervals.

    `auc`; `balanced_accuracy` and `advantage` (the best TPR − FPR) of an attacker who knew the best
    threshold; `tpr@FPR` and `tnr@FNR` for each rate; and `ppv@priorP@fprF`, the least share of
    members among those called members where a share P of all candidates are members and a share F
    of the others is called one too.

    A rate is reported only where at least one non-member (of a TNR: one member) may lie beyond the
    threshold, that is where the rate times the number of (target, non-member) pairs is at least 1;
    elsewhere it is unresolved. It is `Coarse` where this number is below 10.

    Args:
        scores: the score of each example against each target.
        membership: who is a member of which target.
        fprs: the false-positive rates at which the TPR is taken; the PPV is taken at 1 % and 0.1 %
            as far as they are among these.
        fnrs: the false-negative rates at which the TNR is taken.
        priors: the shares of members among an attacker's candidates for which the PPV is taken.
        resamples: the number of bootstrap resamples of targets and examples.
        seed: what the bootstrap depends on.

    Returns:
        An estimate for each name, those of `metric_names`.

    References:
        Carlini et al., "Membership Inference Attacks From First Principles", 2022,
        https://arxiv.org/abs/2112.03570 (TPR at a low FPR); Yeom et al., "Privacy Risk in Machine
        Learning", 2018, https://arxiv.org/abs/1709.01604 (advantage); Jayaraman et al., "Revisiting
        Membership Inference Under Realistic Assumptions", 2021, https://arxiv.org/abs/2005.10881
        (PPV under skewed priors).

    Examples:
        >>> scores = np.array([[2.0, 1.0, 3.0, 0.0]])
        >>> membership = np.array([[True, False, True, False]])
        >>> attack_metrics(scores, membership)["auc"].value
        1.0
    """
    targets, examples = scores.shape
    resampling = Bootstrap(targets, examples, resamples, seed)
    drawn = bootstrap_metrics(
        scores, membership, resampling, np.arange(targets), fprs=fprs, fnrs=fnrs
    )
    found = dict.fromkeys(metric_names(fprs, fnrs, priors), UNRESOLVED)
    found |= {name: one.estimate() for name, one in drawn.items()}
    for prior, fpr in product(priors, set(PPV_FPRS).intersection(fprs)):
        tpr = found[f"tpr@{fpr:g}"]
        ends = [ppv(end, fpr, prior) for end in tpr if end is not None]
        found[_ppv(prior, fpr)] = type(tpr)(*ends) if ends else UNRESOLVED
    return found


def metric_names(
    fprs: Sequence[float] = FPRS,
    fnrs: Sequence[float] = FPRS,
    priors: Sequence[float] = PRIORS,
) -> tuple[str, ...]:
    """The names of the metrics of `attack_metrics`.

    Examples:
        >>> metric_names(fprs=[0.01], fnrs=[0.1], priors=[0.5])
        ('auc', 'balanced_accuracy', 'advantage', 'tpr@0.01', 'tnr@0.1', 'ppv@prior0.5@fpr0.01')
    """
    return (
        "auc",
        "balanced_accuracy",
        "advantage",
        *(f"tpr@{fpr:g}" for fpr in fprs),
        *(f"tnr@{fnr:g}" for fnr in fnrs),
        *(_ppv(prior, fpr) for prior, fpr in product(priors, PPV_FPRS) if fpr in fprs),
    )


def bootstrap_metrics(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    resampling: Bootstrap,
    targets: Int[np.ndarray, " targets"],
    *,
    fprs: Sequence[float] = FPRS,
    fnrs: Sequence[float] = (),
    among: Bool[np.ndarray, "targets examples"] | None = None,
) -> dict[str, Drawn]:
    """The metrics of an attack in the sample and each resample, without unresolved rates.

    Args:
        scores: the score of each example against each target.
        membership: who is a member of which target.
        resampling: the resamples.
        targets: the number of the model that each row belongs to.
        fprs: the false-positive rates at which the TPR is taken.
        fnrs: the false-negative rates at which the TNR is taken.
        among: the pairs that count; None takes all.

    Examples:
        >>> scores, membership = np.array([[2.0, 1.0]]), np.array([[True, False]])
        >>> found = bootstrap_metrics(scores, membership, Bootstrap(4, 2, 9), np.array([2]))
        >>> list(found), found["auc"].value
        (['auc', 'balanced_accuracy', 'advantage'], 1.0)
    """
    for rate in (*fprs, *fnrs):
        fraction(rate=rate)
    ranking = Ranking(scores, membership, among)
    chosen = membership if among is None else membership[among]
    members, nonmembers = int(chosen.sum()), int((~chosen).sum())
    fprs = [fpr for fpr in fprs if fpr * nonmembers >= 1]
    fnrs = [fnr for fnr in fnrs if fnr * members >= 1]

    def statistics(weighed: Weighed) -> Float[np.ndarray, "resamples statistics"]:
        advantage = ranking.advantage(weighed)
        rates = ranking.tpr_at_fpr(weighed, fprs), ranking.tnr_at_fnr(weighed, fnrs)
        return np.column_stack([ranking.auc(weighed), 0.5 + advantage / 2, advantage, *rates])

    columns = ranking.drawn(resampling, targets, statistics).T
    names = metric_names(fprs, fnrs, ())
    found = {
        name: Drawn(float(column[0]), column[1:])
        for name, column in zip(names, columns, strict=True)
    }
    for kind, rates, beyond, trials in (
        ("tpr", fprs, nonmembers, members),
        ("tnr", fnrs, members, nonmembers),
    ):
        for rate in rates:
            name, coarse = f"{kind}@{rate:g}", rate * beyond < COARSE_BELOW
            found[name] = found[name]._replace(trials=trials, coarse=coarse)
    return found


def _ppv(prior: float, fpr: float) -> str:
    return f"ppv@prior{prior:g}@fpr{fpr:g}"
