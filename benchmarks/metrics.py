"""How fast are metrics with intervals, next to a plain NumPy loop?

The loop draws targets and examples, gathers their scores, sorts them again, and reads the same
statistics from the ROC; its AUC's interval is compared with ours, so that both do the same work.
It runs a part of the resamples, the same number on either side. Both are timed in turn (A B, B A,
...) after a warm-up, by the processor's time; of the ratios of the pairs the median and the
quartiles are given. Likewise for DeLong's interval against all pairs of a member and a non-member,
and for what a study takes besides: a second `attack_metrics` as a control, slices by class and by
decile, the band of the ROC, agreement and stability of five attacks, thresholds from shadows.

    python benchmarks/metrics.py [--quick] [--json FILE]

`--quick` takes few repetitions; under a minute.
"""

import time
from collections.abc import Callable

import numpy as np
from rows import Table, command, in_turn, ratios

from pptp_jax import metrics as m

TARGETS, EXAMPLES, CLASSES = 16, 5000, 10
CLOCK = time.process_time  # which others on the machine disturb less
RATES = (0.1, 0.01, 0.001, 0.0001)


def sample(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian scores of an attack of middling strength."""
    rng = np.random.default_rng(seed)
    membership = np.random.default_rng(0).random((TARGETS, EXAMPLES)) < 0.5
    return rng.normal(size=membership.shape) + 0.5 * membership, membership


def plain_loop(scores: np.ndarray, membership: np.ndarray, resamples: int) -> np.ndarray:
    """The statistics of `attack_metrics`, one resample after another, each with its own sort."""
    rng, found = np.random.default_rng(0), []
    for _ in range(resamples):
        rows = rng.integers(len(scores), size=len(scores))
        columns = rng.integers(scores.shape[1], size=scores.shape[1])
        curve = m.roc(scores[rows][:, columns], membership[rows][:, columns])
        found.append(
            [m.auc(curve), m.advantage(curve)]
            + [m.tpr_at_fpr(curve, rate) for rate in RATES]
            + [m.tnr_at_fnr(curve, rate) for rate in RATES]
        )
    return np.quantile(found, [0.025, 0.975], axis=0)


def all_pairs(scores: np.ndarray, membership: np.ndarray) -> tuple[float, float]:
    """AUC and DeLong's variance from a matrix of all pairs."""
    members, others = scores[membership][:, None], scores[~membership][None]
    won = (members > others) + 0.5 * (members == others)
    variances = [won.mean(axis=axis).var(ddof=1) / won.shape[1 - axis] for axis in (0, 1)]
    return float(won.mean()), float(np.sum(variances))


def check(scores: np.ndarray, membership: np.ndarray) -> None:
    """Refuses to compare what does not give the same."""
    ours = np.array(m.attack_metrics(scores, membership)["auc"][1:], float)
    loop = plain_loop(scores, membership, 200)[:, 0]
    if np.abs(loop - ours).max() > 0.15 * np.ptp(ours):
        raise SystemExit(f"the loop's interval {loop} is not {ours}")


def measure(quick: bool, show: Table) -> None:
    """All rows."""
    repetitions, resamples = (5, 20) if quick else (15, 50)
    scores, membership = sample()
    check(scores, membership)

    def ours() -> object:
        return m.attack_metrics(scores, membership)

    def ours_in_part() -> object:
        return m.attack_metrics(scores, membership, resamples=resamples)

    def loop() -> object:
        return plain_loop(scores, membership, resamples)

    [times] = in_turn({"": ours}, repetitions, CLOCK).values()
    size = f"{TARGETS} targets x {EXAMPLES:,} examples"
    show(f"attack_metrics, {size}, 500 resamples", times, "s")
    name = f"bootstrap, {resamples} resamples, loop over ours"
    show(name, ratios(loop, ours_in_part, repetitions, CLOCK), "x", "attack_metrics")
    one, own = scores[0], membership[0]
    times = ratios(lambda: all_pairs(one, own), lambda: m.delong(one, own), repetitions, CLOCK)
    show("DeLong, 5,000 examples, all pairs over ranks", times, "x", "delong")

    attacks = {str(seed): sample(seed)[0] for seed in range(5)}
    classes = np.arange(EXAMPLES)[None] % CLASSES
    tenths = m.deciles(np.random.default_rng(0).random((TARGETS, EXAMPLES)))
    besides: dict[str, Callable[[], object]] = {
        "attack_metrics again, a control": ours,
        "slices by class": lambda: m.sliced_metrics(scores, membership, classes),
        "slices by decile": lambda: m.sliced_metrics(scores, membership, tenths),
        "band of the ROC": lambda: m.roc_band(scores, membership),
        "agreement of 5 attacks": lambda: m.agreement(attacks, membership),
        "stability": lambda: m.stability(scores, membership),
        "thresholds from shadows": lambda: m.calibrated_metrics(scores, membership),
    }
    for name, function in besides.items():
        times = ratios(function, ours, 3 if quick else repetitions, CLOCK)
        show(f"{name}, over attack_metrics", times, "x", "attack_metrics")


def main() -> None:
    """Measures, prints and stores."""
    options = command(__doc__).parse_args()
    with Table(options.json, "numpy") as show:
        measure(options.quick, show)


if __name__ == "__main__":
    main()
