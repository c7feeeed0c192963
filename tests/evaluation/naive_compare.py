"""Points and matched differences by loops over copies, sharing no code with the package."""

import numpy as np


def copies(models: int, examples: int, resamples: int, seed: int) -> list[tuple[list, list]]:
    """What each resample draws, as lists of numbers with repetitions."""
    rng = np.random.default_rng(seed)
    by_model, by_example = (
        rng.multinomial(n, [1 / n] * n, size=resamples) for n in (models, examples)
    )
    return [
        (
            [m for m in range(models) for _ in range(rows[m])],
            [e for e in range(examples) for _ in range(columns[e])],
        )
        for rows, columns in zip(by_model, by_example, strict=True)
    ]


def statistics(scores, membership, correct, targets, drawn) -> tuple[float, float, float]:
    """AUC, TPR at FPR .1 and accuracy of the pairs that are drawn, each as often as drawn."""
    place = {number: row for row, number in enumerate(targets)}
    pairs = [(place[m], e) for m in drawn[0] if m in place for e in drawn[1]]
    members = [scores[pair] for pair in pairs if membership[pair]]
    others = [scores[pair] for pair in pairs if not membership[pair]]
    if not members or not others:
        return np.nan, np.nan, np.nan
    auc = np.mean([[(m > o) + (m == o) / 2 for o in others] for m in members])
    rates = [
        (np.mean([o >= t for o in others]), np.mean([m >= t for m in members]))
        for t in [np.inf, *members, *others]
    ]
    accuracy = np.mean([correct[pair] for pair in pairs if not membership[pair]])
    return auc, max(tpr for fpr, tpr in rates if fpr <= 0.1 + 1e-9), accuracy


def kept(points: list[tuple[float, float]], strength: float) -> float:
    """The best accuracy at a strength of any point, or mixture of two, with no more strength."""
    weakest = min(s for s, _ in points)
    most = max(a for _, a in points)
    if not weakest <= strength <= min(s for s, a in points if a == most):
        return np.nan
    found = [a for s, a in points if s <= strength]
    found += [
        a0 + (a1 - a0) * (strength - s0) / (s1 - s0)
        for s0, a0 in points
        for s1, a1 in points
        if s0 <= strength < s1
    ]
    return max(found)
