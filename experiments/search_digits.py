"""Digits: a search with an attack in the loop, and what it costs to choose the best of its trials.

One search, with its table: `pptp search experiments/search_digits.py` (a minute, two cores).

Twelve searches, each on fleets of its own: `python experiments/search_digits.py`
(no download; half a minute a search, one core).

A search takes the setting with the most accuracy among those on which LiRA's AUC is at most .55.
Fleets are small (8 models, 600 examples), as those for tuning are, so that chance matters.

Result (docs/findings.md): 5 of 12 choices break the bound on a fresh fleet; the mean selection cost
is 0.4 points of accuracy and .006 of AUC, and neither is significant.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import t

from pptp_jax.data import Balanced, Digits
from pptp_jax.models import mlp
from pptp_jax.study import Between, MostUtility, OneOf, Search, Study, run_search
from pptp_jax.training import Recipe, decay, early_stopped, freeze

BOUND = 0.55
SEARCHES = 12


def recipe(kind: str, epochs: int, strength: float, after: int) -> Recipe:
    """Early stopping, weight decay of the entire network, or freezing all but the last layer."""
    if kind == "decay":
        return decay(epochs, strength)
    if kind == "freeze":
        return freeze("not head", after=after, more=epochs)
    return early_stopped(epochs)


search = Search(
    study=Study(
        name="search_digits",
        data=Digits(),
        model=mlp([64, 32], num_classes=10),
        split=Balanced(models=8),
        examples=600,
        batch_size=32,
        recipes=(early_stopped(3),),
        attacks=("loss", "lira_online"),
        combine=False,
        seed=100,
    ),
    recipe=recipe,
    space={
        "kind": OneOf(("early stopping", "decay", "freeze")),
        "epochs": Between(low=2, high=20),
        "strength": Between(low=1e-3, high=5e-2, log=True),
        "after": Between(low=1, high=6),
    },
    objective=MostUtility(most_auc=BOUND),
    trials=12,
)


def mean(values: list[float]) -> str:
    """The mean of some searches with its 95 % interval."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) * t.ppf(0.975, len(values) - 1)
    middle = np.mean(values)
    return f"{middle:+.4f} [{middle - error:+.4f}, {middle + error:+.4f}]"


def main() -> None:
    """Runs the searches and prints what each chose and what the choice cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/searches"))
    parser.add_argument("--searches", type=int, default=SEARCHES)
    options = parser.parse_args()
    costs: dict[str, list[float]] = {"utility": [], "auc": []}
    broken = 0
    for number in range(options.searches):
        own = replace(
            search,
            study=replace(search.study, seed=100 + number),
            seed=number,
            fresh_seed=1000 + number,
        )
        results = run_search(own, options.out / str(number))
        print(f"{number}: {results['sentences'][0]}", flush=True)
        for found in results["chosen"]:
            for name, values in costs.items():
                values.append(found[name]["cost"]["value"])
            broken += found["auc"]["fresh"]["value"] > BOUND
    print(f"{len(costs['auc'])} choices; {broken} of them above the bound on the fresh fleet")
    print(f"selection cost in accuracy: {mean(costs['utility'])}")
    print(f"selection cost in AUC:      {mean(costs['auc'])}")


if __name__ == "__main__":
    main()
