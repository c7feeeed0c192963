"""How often does a blind baseline raise a false alarm? Exchangeable data, drawn again and again.

Command: `python experiments/blind_baseline.py` (no download). For each kind of data it prints how
often the 95 % interval of the AUC excludes .5, above and below; the same for an interval that takes
the scores for fixed, as if no training data were shared between folds; and how often p < .01.

Result (docs/audits.md): the interval excludes .5 in 3.4 to 5.3 % of the draws, nominally 5 %; one
that takes the scores for fixed, in 13 to 17 %. Two and a half minutes of one CPU core.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from pptp_jax.data import blind_baseline

Drawn = tuple[Any, Any]
# For each kind: how many draws, how many examples, how inputs and labels are drawn, and whether
# they are tokens.
KINDS: dict[str, tuple[int, int, Callable[[np.random.Generator, int], Drawn], bool]] = {
    "labels, 5 classes": (1000, 200, lambda rng, n: (None, rng.integers(0, 5, n)), False),
    "6 numbers as labels": (1000, 80, lambda rng, n: (None, rng.normal(size=(n, 6))), False),
    "20 numbers as labels": (1000, 200, lambda rng, n: (None, rng.normal(size=(n, 20))), False),
    "12 tokens of 30": (500, 200, lambda rng, n: (rng.integers(0, 30, (n, 12)), None), True),
    "6 inputs, 3 classes": (
        *(300, 200),
        lambda rng, n: (rng.normal(size=(n, 6)), rng.integers(0, 3, n)),
        False,
    ),
    "60 inputs": (300, 200, lambda rng, n: (rng.normal(size=(n, 60)), None), False),
}


def main() -> None:
    """Draws, judges, and prints a row for each kind of data."""
    print(f"{'data':<22}{'draws':>6}{'n':>5}{'mean':>7}{'above':>8}{'below':>8}", end="")
    print(f"{'fixed: above':>14}{'below':>8}{'p < .01':>9}")
    for name, (draws, examples, draw, tokens) in KINDS.items():
        found = []
        for number in range(draws):
            rng = np.random.default_rng(number)
            membership = rng.permutation(examples) < examples // 2
            x, y = draw(rng, examples)
            one = blind_baseline(x, y, membership, tokens=tokens, seed=number)
            found.append((*one.auc, one.p_value))
        value, low, high, p_value = np.array(found).T
        fixed = 1.96 * np.sqrt((examples + 1) / 12) / (examples / 2)
        rates = [low > 0.5, high < 0.5, value > 0.5 + fixed, value < 0.5 - fixed, p_value < 0.01]
        above, below, naive, under, alarms = (f"{100 * rate.mean():.1f} %" for rate in rates)
        print(f"{name:<22}{draws:>6}{examples:>5}{value.mean():>7.3f}{above:>8}{below:>8}", end="")
        print(f"{naive:>14}{under:>8}{alarms:>9}", flush=True)


if __name__ == "__main__":
    main()
