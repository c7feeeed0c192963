"""Do other suites give the same scores for the same arrays?

A small fleet on the digits is attacked by this library and by its peers: two targets, sixteen
shadows, as many of them IN as OUT of every example, so that no suite leaves a shadow out. The peers
need packages that this library does not, each in an environment of its own, in which nothing of
this library need be installed:

    python benchmarks/peers.py arrays runs/peers.npz
    python -m venv sacro && sacro/bin/pip install sacroml==2.0.1
    sacro/bin/python benchmarks/peers.py sacroml runs/peers.npz runs/sacroml.npz
    python -m venv guard
    guard/bin/pip install torch 'pandas<3' scipy scikit-learn pyre-extensions
    guard/bin/pip install --no-deps privacyguard-platform==0.0.2
    guard/bin/python benchmarks/peers.py privacyguard runs/peers.npz runs/privacyguard.npz
    python benchmarks/peers.py table runs/peers.npz runs/sacroml.npz runs/privacyguard.npz

`table` prints, for each pair of attacks, the largest difference of scores where they should be
equal, and the rank correlation and both AUCs; then the metrics of each suite for the same scores.
With `--golden tests/golden/peers.npz` it writes the file that `tests/attacks/test_peers.py` reads.
A minute, but for the installation of PyTorch.
"""

import argparse
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]
EXAMPLES, SHADOWS = 300, 16
PACKAGES = {"sacroml": "sacroml", "privacyguard": "privacyguard-platform"}
FPRS = (0.1, 0.01)


class Pair(NamedTuple):
    """Two scores of which something is expected.

    Attributes:
        theirs: the peer's key.
        ours: our key.
        expected: `equal`, `order` (one is a rising function of the other) or `near`.
        why: what differs, as found in the peer's source.
    """

    theirs: str
    ours: str
    expected: str
    why: str = ""


PAIRS = (
    Pair(
        "sacroml/online-carlini",
        "lira_online(variance=per_example)",
        "near",
        "divides the variance by n, not by n - 1",
    ),
    Pair("sacroml/online-carlini, n - 1", "lira_online(variance=per_example)", "equal"),
    Pair(
        "sacroml/offline",
        "lira_offline(variance=per_example)",
        "order",
        "normal, not Student's t of the next value; its probabilities reach 1 and tie",
    ),
    Pair(
        "sacroml/offline-carlini, medians",
        "lira_offline(variance=per_example, reference_compat=True)",
        "equal",
    ),
    Pair(
        "sacroml/offline-carlini",
        "lira_offline(variance=per_example, reference_compat=True)",
        "near",
        "means, not the published medians",
    ),
    Pair(
        "sacroml/online-carlini, fixed",
        "lira_online(variance=global)",
        "near",
        "the variance of all examples together, the spread between examples in it, of IN and OUT "
        "apart",
    ),
    Pair("privacyguard/lira", "lira_online(variance=per_example)", "equal"),
    Pair(
        "privacyguard/lira, mix",
        "lira_online(variance=global)",
        "near",
        "the mean standard deviation, of IN and OUT apart",
    ),
    Pair(
        "privacyguard/lira offline, medians",
        "lira_offline(variance=global, reference_compat=True)",
        "order",
        "another constant in place of the standard deviation",
    ),
    Pair("privacyguard/rmia online", "rmia_online(gamma=1.0)", "equal"),
    Pair("privacyguard/rmia offline, IN masked", "rmia_offline(gamma=1.0)", "equal"),
    Pair(
        "privacyguard/rmia offline",
        "rmia_offline(gamma=1.0)",
        "near",
        "of population examples it averages the higher half of all reference signals, IN among "
        "them",
    ),
    Pair(
        "privacyguard/loss",
        "loss",
        "order",
        "the negated loss; ours is the φ of that loss, which float32 resolves",
    ),
    Pair("privacyguard/calibration", "calibration_watson", "equal"),
)


def arrays(path: Path) -> None:
    """Trains the fleet, attacks it, and stores φ, who is a member, and our scores and metrics."""
    from pptp_jax.attacks import ATTACKS, Evidence
    from pptp_jax.data import Digits, Pairs
    from pptp_jax.metrics import auc, roc, tpr_at_fpr
    from pptp_jax.models import mlp
    from pptp_jax.study import Study, run
    from pptp_jax.training import SGD, undefended

    study = Study(
        name="peers",
        data=Digits(),
        model=mlp([32], num_classes=10),
        split=Pairs(targets=2, shadows=SHADOWS),
        examples=EXAMPLES,
        optimizer=SGD(),
        batch_size=25,
        attacks=("loss", "lira_online"),
        resamples=50,
        recipes=(undefended(30),),
    )
    with tempfile.TemporaryDirectory() as directory:
        run(study, Path(directory))
        signals = Path(directory) / "signals"
        phi = np.load(signals / "undefended_30.npy")[:, 0]
        membership = np.load(signals / "membership.npy")
    held = Evidence.split({"confidence": phi}, membership, [0, 1], list(range(2, SHADOWS + 2)))
    known = {"gamma": float, "variance": str, "reference_compat": bool}
    found: Arrays = {"phi": phi, "membership": membership}
    for name in sorted({pair.ours for pair in PAIRS}):
        base, _, options = name.rstrip(")").partition("(")
        given = dict(one.split("=") for one in options.split(", ") if one)
        own = {key: known[key](value) for key, value in given.items()}
        found[f"ours/{name}"] = np.asarray(ATTACKS[base](held, **own), np.float64)
    for name in ("lira_online(variance=global)", "rmia_online(gamma=1.0)"):
        curve = roc(found[f"ours/{name}"][:1], membership[:1])
        rates = [tpr_at_fpr(curve, fpr) for fpr in FPRS]
        found[f"our metrics/{name}"] = np.array([auc(curve), *rates])
    path.parent.mkdir(parents=True, exist_ok=True)
    _store(path, found)


def sacroml(held: Arrays) -> Arrays:
    """SACRO-ML's LiRA and its metrics."""
    from sacroml.attacks.likelihood_attack import LIRAAttack
    from sacroml.metrics import _tpr_at_fpr, get_metrics

    phi, membership = held["phi"].astype(np.float64), held["membership"]
    shadows, members = phi[2:], membership[2:]
    examples = range(phi.shape[1])
    inside = {i: shadows[members[:, i], i].tolist() for i in examples}
    outside = {i: shadows[~members[:, i], i].tolist() for i in examples}

    class Unbiased(LIRAAttack):
        """With n - 1 in the variance."""

        def _get_mean_std(self, confidences: list[float], _: float) -> tuple[float, float]:
            return float(np.mean(confidences)), float(np.std(confidences, ddof=1))

    class Medians(LIRAAttack):
        """With medians, as the published code has them."""

        def _get_mean_std(self, confidences: list[float], _: float) -> tuple[float, float]:
            return float(np.median(confidences)), float(np.std(confidences))

    variants: dict[str, tuple[Any, str, bool]] = {
        "online-carlini": (LIRAAttack, "online-carlini", False),
        "online-carlini, n - 1": (Unbiased, "online-carlini", False),
        "online-carlini, fixed": (LIRAAttack, "online-carlini", True),
        "offline": (LIRAAttack, "offline", False),
        "offline-carlini": (LIRAAttack, "offline-carlini", False),
        "offline-carlini, medians": (Medians, "offline-carlini", False),
    }
    found: Arrays = {}
    labels = np.ones(phi.shape[1], int)
    with tempfile.TemporaryDirectory() as out:
        for name, (attack, mode, fixed) in variants.items():
            made = attack(output_dir=out, write_report=False, mode=mode, fix_variance=fixed)
            scores = []
            for own in phi[:2]:
                p = 1 / (1 + np.exp(-own))
                pairs, _ = made._compute_scores(labels, np.stack([1 - p, p], 1), outside, inside)
                scores.append(np.array(pairs)[:, 1])
            found[name] = np.array(scores)
    for key in [key for key in held if key.startswith("our metrics/")]:
        name = key.partition("/")[2]
        own = held[f"ours/{name}"][0]
        truth = membership[0].astype(int)
        told = get_metrics(np.stack([-own, own], 1), truth, permute_rows=False)
        rates = [float(_tpr_at_fpr(truth, own, fpr, fpr_perc=False)) for fpr in FPRS]
        found[f"metrics/{name}"] = np.array([told["AUC"], *rates])
    return found


def privacyguard(held: Arrays) -> Arrays:
    """PrivacyGuard's LiRA, RMIA, calibration and metrics."""
    import pandas as pd
    import torch
    from privacy_guard.analysis.mia.aggregate_analysis_input import AggregationType
    from privacy_guard.analysis.mia.mia_results import MIAResults
    from privacy_guard.attacks.calib_attack import CalibAttack, CalibScoreType
    from privacy_guard.attacks.lira_attack import LiraAttack
    from privacy_guard.attacks.rmia_attack import RmiaAttack

    phi, membership = held["phi"].astype(np.float64), held["membership"]
    shadows, members = phi[2:], membership[2:]
    p = 1 / (1 + np.exp(-phi))
    count = phi.shape[1]

    def columns(of: Arrays) -> Any:
        return pd.DataFrame({"user_id": np.arange(count), **of})

    def both(table: Any, member: np.ndarray, make: Any) -> np.ndarray:
        attack = make(table[member].copy(), table[~member].copy())
        attack.run_attack()
        told = pd.concat([attack.df_train_merge, attack.df_test_merge])
        return np.asarray(told.sort_values("user_id")["score"])

    of_in = np.where(members, shadows, np.nan)
    of_out = np.where(members, np.nan, shadows)
    fits = {
        "score_mean_in": np.nanmean(of_in, axis=0),
        "score_mean_out": np.nanmean(of_out, axis=0),
        "score_std_in": np.nanstd(of_in, axis=0, ddof=1),
        "score_std_out": np.nanstd(of_out, axis=0, ddof=1),
        "score_mean": np.nanmedian(of_out, axis=0),
        "score_std": np.nanstd(of_out, axis=0, ddof=1),
    }
    plain = AggregationType.NONE
    references = {f"score_ref_{k}": p[2 + k] for k in range(len(shadows))}
    knows = {f"member_ref_{k}": own for k, own in enumerate(members)}
    masked = {f"score_ref_{k}": np.where(own, 0, p[2 + k]) for k, own in enumerate(members)}
    scores: dict[str, list[np.ndarray]] = {}

    def add(name: str, found: np.ndarray) -> None:
        scores.setdefault(name, []).append(found)

    for target in range(2):
        member = membership[target]
        table = columns({"score_orig": phi[target], **fits})
        lira: dict[str, dict[str, Any]] = {
            "lira": {"online_attack": True},
            "lira, mix": {
                "online_attack": True,
                "use_fixed_variance": True,
                "std_dev_type": "mix",
            },
            "lira offline, medians": {"std_dev_type": "shadows_out"},
        }
        for name, options in lira.items():
            add(name, both(table, member, lambda a, b, o=options: LiraAttack(a, b, plain, **o)))
        ratios = columns({"score_orig": p[target], **references, **knows})
        hidden = columns({"score_orig": p[target], **masked, **knows})
        # All references, or of an example's those that are OUT.
        for name, population, number, online in (
            ("rmia online", ratios, len(shadows), True),
            ("rmia offline", ratios, len(shadows) // 2, False),
            ("rmia offline, IN masked", hidden, len(shadows) // 2, False),
        ):
            found = both(
                ratios,
                member,
                lambda a, b, z=population, n=number, o=online: RmiaAttack(
                    a, b, z.drop(columns="user_id"), plain, num_reference_models=n, online=o
                ),
            )
            # Nothing beats itself by more than 1; ours counts what beats by 1 or more.
            add(name, found + 1 / count)
        asked = columns({"label": np.ones(count, int), "predictions": p[target]})
        hard = np.nanmean(np.where(members, np.nan, np.log(p[2:])), axis=0)
        easy = columns({"label": np.ones(count, int), "predictions": np.exp(hard)})
        for name, calibrates in (("loss", False), ("calibration", True)):
            attack = CalibAttack(
                asked[member].copy(),
                asked[~member].copy(),
                easy[member].copy(),
                easy[~member].copy(),
                plain,
                calibrates,
                CalibScoreType.LOSS,
            )
            outcome = attack.run_attack()
            rows = pd.concat([outcome.df_train_merge, outcome.df_test_merge])
            add(name, np.asarray(rows.sort_values("user_id")["score"]))
    answers = {name: np.array(own) for name, own in scores.items()}
    for key in [key for key in held if key.startswith("our metrics/")]:
        name = key.partition("/")[2]
        own, member = torch.tensor(held[f"ours/{name}"][0]), torch.tensor(membership[0])
        results = MIAResults(own[member], own[~member])
        tpr, fpr = results.get_tpr_fpr()
        at = results._get_indices_of_error_at_thresholds(fpr, np.array(FPRS), "fpr")
        _, auc, *_ = results.compute_metrics_at_error_threshold(1e-5, np.array(FPRS))
        answers[f"metrics/{name}"] = np.array([auc, *tpr[at]])
    return answers


def table(held: Arrays, peers: dict[str, Arrays], golden: Path | None) -> None:
    """Prints how far the suites agree, and stores what tests compare with."""
    from scipy.stats import spearmanr

    from pptp_jax.metrics import auc, roc

    membership = held["membership"][:2]
    theirs = {f"{peer}/{name}": scores for peer, of in peers.items() for name, scores in of.items()}
    for peer in peers:
        print(f"{peer} {theirs[f'{peer}/version']}")
    print("| theirs | ours | expected | largest difference | rank correlation | AUC | why |")
    for pair in PAIRS:
        if pair.theirs not in theirs:
            continue
        one, other = theirs[pair.theirs], held[f"ours/{pair.ours}"]
        gap = np.abs(one - other).max() / np.abs(other).max()
        rank = min(spearmanr(a, b).statistic for a, b in zip(one, other, strict=True))
        aucs = " / ".join(f"{auc(roc(own, membership)):.4f}" for own in (one, other))
        apart = f"{gap:.1e}" if pair.expected == "equal" else "-"
        print(
            f"| {pair.theirs} | {pair.ours} | {pair.expected} | {apart} | {rank:.6f} | {aucs} | "
            f"{pair.why} |"
        )
    print("| metrics of the same scores | AUC | TPR at 10 % | TPR at 1 % |")
    for key in [key for key in held if key.startswith("our metrics/")]:
        name = key.partition("/")[2]
        rows = {"ours": held[key]} | {
            peer: of[f"metrics/{name}"] for peer, of in peers.items() if f"metrics/{name}" in of
        }
        for suite, numbers in rows.items():
            cells = " | ".join(f"{number:.6f}" for number in numbers)
            print(f"| {name}, {suite} | {cells} |")
    if golden is not None:
        kept = {pair.theirs: theirs[pair.theirs] for pair in PAIRS if pair.expected != "near"}
        versions = {f"{peer}/version": theirs[f"{peer}/version"] for peer in peers}
        metrics = {
            key: held[key] for key in held if key.startswith(("our metrics/", "phi", "membership"))
        }
        measured = {name: own for name, own in theirs.items() if "/metrics/" in name}
        _store(golden, metrics | kept | measured | versions)


def _store(path: Path, arrays: dict[str, Any]) -> None:
    np.savez_compressed(path, **arrays)


def main() -> None:
    """One of the four parts."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("part", choices=("arrays", *PACKAGES, "table"))
    options.add_argument("files", nargs="+", type=Path)
    options.add_argument("--golden", type=Path)
    given = options.parse_args()
    first, *rest = given.files
    if given.part == "arrays":
        arrays(first)
        return
    held = dict(np.load(first))
    if given.part == "table":
        table(held, {path.stem: dict(np.load(path)) for path in rest}, given.golden)
        return
    found = {"sacroml": sacroml, "privacyguard": privacyguard}[given.part](held)
    found["version"] = np.array(version(PACKAGES[given.part]))
    _store(rest[0], found)


if __name__ == "__main__":
    main()
