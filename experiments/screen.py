"""Does one model's loss predict what LiRA finds with a fleet? A screen against 26 recipes, twice.

Command: `python experiments/screen.py` (no download). It goes on where it was stopped. Into
`runs/screen` and `runs/screen_few` it writes run directories with their reports, `screen.json` and
`screen.txt`.

Each recipe trains 16 models on the digits, and LiRA attacks them: a network of three hidden layers
on all digits, and one of a single layer on 600 of them. A screen sees one model alone: the
generalisation gap of accuracy and of loss, the AUC of the loss attack, and its tail, the true
negative rate at a false negative rate of 1 % and 10 %. Spearman's rank correlation over recipes
between a predictor, of a model drawn for each recipe, and LiRA is the mean over 2,000 such draws;
its interval is that of a bootstrap that draws recipes and models.

Recipes are no sample of anything: the correlation holds for these.

Result (docs/audits.md): the tail at 1 % predicts LiRA's TPR at 1 % FPR, .86 [.71, .92] and .74
[.48, .86]; the gap in accuracy and the AUC of the loss do not. Four minutes of one CPU core.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from pptp_jax.audit import screen_signals
from pptp_jax.data import Balanced, Digits
from pptp_jax.evaluation import RunResults
from pptp_jax.metrics import auc, roc, tnr_at_fnr
from pptp_jax.models import mlp
from pptp_jax.objectives import HAMP, ConfidencePenalty, LabelSmoothing, Mixup, RelaxLoss
from pptp_jax.storage.files import write_json, write_text
from pptp_jax.study import Study, run
from pptp_jax.training import SGD, decay, early_stopped, freeze, undefended, whole_network

EPOCHS, RESAMPLES = 30, 2000
DEFENCES = (
    *(RelaxLoss(alpha=alpha) for alpha in (0.1, 0.3, 0.5, 1.0)),
    *(LabelSmoothing(smoothing=share) for share in (0.05, 0.2)),
    *(ConfidencePenalty(weight=weight) for weight in (0.1, 0.5)),
    *(HAMP(gamma=gamma, alpha=0.01) for gamma in (0.3, 0.7)),
    Mixup(alpha=0.5),
)
OUTCOMES = {"auc": "AUC of LiRA", "tpr@0.01": "TPR of LiRA at 1 % FPR"}
PREDICTORS = {
    "tail@0.01": "tail: TNR at 1 % FNR",
    "tail@0.1": "tail: TNR at 10 % FNR",
    "loss_auc": "AUC of the loss",
    "accuracy_gap": "gap in accuracy",
    "loss_gap": "gap in loss",
}

SHOWN = (*PREDICTORS, "worth")  # the share of screens that call a fleet worth its time

study = Study(
    name="screen",
    data=Digits(),
    model=mlp([256, 128, 64], num_classes=10),
    split=Balanced(models=16),
    optimizer=SGD(),
    attacks=("loss", "lira_online", "rmia_online"),
    recipes=(
        *(undefended(epochs) for epochs in (EPOCHS, 60, 120)),
        *(early_stopped(epochs) for epochs in (1, 2, 3, 4, 6, 10)),
        *(decay(EPOCHS, strength) for strength in (0.002, 0.005, 0.01, 0.02)),
        *(freeze(region, after=2, more=8) for region in ("stem", "shallow")),
        *(whole_network(defence, EPOCHS) for defence in DEFENCES),
    ),
)


few = replace(
    study, name="screen_few", examples=600, model=mlp([64], num_classes=10), batch_size=32, seed=1
)


def screened(
    phi: Float[np.ndarray, "models examples"],
    correct: Bool[np.ndarray, "models examples"],
    membership: Bool[np.ndarray, "models examples"],
) -> dict[str, list[float]]:
    """What a screen of each model alone would see."""
    found: dict[str, list[float]] = {name: [] for name in PREDICTORS}
    found["worth"] = []
    for own, right, members in zip(phi.astype(np.float64), correct, membership, strict=True):
        curve, loss = roc(own, members), np.logaddexp(0, -own)
        found["tail@0.01"].append(tnr_at_fnr(curve, 0.01))
        found["tail@0.1"].append(tnr_at_fnr(curve, 0.1))
        found["loss_auc"].append(auc(curve))
        said = screen_signals({"confidence": own}, members, resamples=200)
        found["worth"].append(float(said["verdict"] == "worth it"))
        found["accuracy_gap"].append(float(right[members].mean() - right[~members].mean()))
        found["loss_gap"].append(float(loss[~members].mean() - loss[members].mean()))
    return found


def correlation(
    predicted: Float[np.ndarray, "recipes models"],
    achieved: Float[np.ndarray, " recipes"],
    rng: np.random.Generator,
) -> dict[str, float]:
    """Spearman's correlation over recipes, of one model each, with a bootstrap's interval."""
    recipes, models = predicted.shape

    def spearman(rows: Any) -> float:
        seen = predicted[rows, rng.integers(0, models, recipes)]
        return float(np.corrcoef(rankdata(seen), rankdata(achieved[rows]))[0, 1])

    every = [spearman(np.arange(recipes)) for _ in range(RESAMPLES)]
    drawn = [spearman(rng.integers(0, recipes, recipes)) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"value": float(np.mean(every)), "low": float(low), "high": float(high)}


def compared(results: RunResults, directory: Path) -> dict[str, Any]:
    """Every predictor against every outcome: over all recipes, and over those of the plain loss."""
    membership = np.load(directory / "signals" / "membership.npy")
    recipes = []
    for row in results.rows:
        phi = np.load(directory / "signals" / f"{row.slug}.npy")[:, 0]
        correct = np.load(directory / "signals" / "utility" / f"{row.slug}.npy")
        found = row.attack("lira_online")
        achieved = {name: found[name].value for name in OUTCOMES}
        recipes.append(
            {"slug": row.slug, "plain": row.defence == "none", "achieved": achieved}
            | screened(phi, correct.astype(bool), membership)
        )
    groups = {
        "all recipes": recipes,
        "recipes that minimise the plain loss": [one for one in recipes if one["plain"]],
    }
    rng = np.random.default_rng(0)
    return {
        "recipes": recipes,
        "correlations": {
            group: {
                outcome: {
                    name: correlation(
                        np.array([one[name] for one in chosen]),
                        np.array([one["achieved"][outcome] for one in chosen]),
                        rng,
                    )
                    for name in PREDICTORS
                }
                for outcome in OUTCOMES
            }
            for group, chosen in groups.items()
        },
    }


def table(found: Mapping[str, Any]) -> str:
    """The recipes, and below them the correlations, as plain text."""
    lines = [f"{'recipe':<40}{'LiRA AUC':>10}{'TPR@1%':>8}" + "".join(f"{n:>14}" for n in SHOWN)]
    for one in sorted(found["recipes"], key=lambda one: one["achieved"]["auc"]):
        cells = "".join(f"{np.mean(one[name]):>14.3f}" for name in SHOWN)
        lines.append(
            f"{one['slug']:<40}{one['achieved']['auc']:>10.3f}{one['achieved']['tpr@0.01']:>8.3f}"
            + cells
        )
    for group, outcomes in found["correlations"].items():
        for outcome, predictors in outcomes.items():
            lines += ["", f"{group}, {OUTCOMES[outcome]}"]
            for name, one in predictors.items():
                lines.append(
                    f"  {PREDICTORS[name]:<24}{one['value']:+.2f} [{one['low']:+.2f}, "
                    f"{one['high']:+.2f}]"
                )
    return "\n".join(lines)


def main(directory: Path) -> None:
    """Trains what is missing, compares, and prints."""
    for one in (study, few):
        home = directory / one.name
        found = compared(RunResults.from_json(run(one, home)), home)
        write_json(home / "screen.json", found)
        write_text(home / "screen.txt", table(found) + "\n")
        print(f"{one.name}\n{table(found)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs"))
