"""Our scores against those of other suites on the same arrays, from a stored file.

`benchmarks/peers.py` has made the file, with the versions that it names.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.metrics import auc, roc, tpr_at_fpr

OWN = {"variance": "per_example"}
PUBLISHED = {"reference_compat": True}
EQUAL = {
    "sacroml/online-carlini, n - 1": ("lira_online", OWN),
    "sacroml/offline-carlini, medians": ("lira_offline", OWN | PUBLISHED),
    "privacyguard/lira": ("lira_online", OWN),
    "privacyguard/rmia online": ("rmia_online", {"gamma": 1.0}),
    "privacyguard/rmia offline, IN masked": ("rmia_offline", {"gamma": 1.0}),
    "privacyguard/calibration": ("calibration_watson", {}),
}
ORDER = {
    "sacroml/offline": ("lira_offline", OWN),
    "privacyguard/lira offline, medians": ("lira_offline", {"variance": "global"} | PUBLISHED),
    "privacyguard/loss": ("loss", {}),
}


@cache
def stored() -> dict[str, np.ndarray]:
    return dict(np.load(Path(__file__).parents[1] / "golden" / "peers.npz"))


def ours(attack: str, options) -> np.ndarray:
    phi, membership = stored()["phi"], stored()["membership"]
    shadows = list(range(2, len(phi)))
    held = Evidence.split({"confidence": phi}, membership, [0, 1], shadows)
    return np.asarray(ATTACKS[attack](held, **options), np.float64)


def test_the_file_says_which_versions_it_is_from() -> None:
    versions = {name: str(stored()[f"{name}/version"]) for name in ("sacroml", "privacyguard")}
    assert versions == {"sacroml": "2.0.1", "privacyguard": "0.0.2"}
    kept = {name for name in stored() if "/" in name and "metrics" not in name}
    assert kept == {*EQUAL, *ORDER, "sacroml/version", "privacyguard/version"}


@pytest.mark.parametrize("theirs", EQUAL)
def test_scores_are_equal(theirs: str) -> None:
    known, found = stored()[theirs], ours(*EQUAL[theirs])
    np.testing.assert_allclose(found, known, rtol=1e-5, atol=1e-5 * np.abs(known).max())


@pytest.mark.parametrize("theirs", ORDER)
def test_scores_rise_together(theirs: str) -> None:
    known, found = stored()[theirs], ours(*ORDER[theirs])
    for one, other in zip(known, found, strict=True):
        # Rounding ties some of either: ranks then differ by the ties alone.
        assert np.abs(rankdata(one) - rankdata(other)).max() <= 1


@pytest.mark.parametrize("peer", ["sacroml", "privacyguard"])
@pytest.mark.parametrize(
    ("name", "attack", "options"),
    [
        ("lira_online(variance=global)", "lira_online", {"variance": "global"}),
        ("rmia_online(gamma=1.0)", "rmia_online", {"gamma": 1.0}),
    ],
)
def test_metrics_of_the_same_scores_are_equal(peer: str, name: str, attack, options) -> None:
    curve = roc(ours(attack, options)[:1], stored()["membership"][:1])
    found = [auc(curve), *(tpr_at_fpr(curve, fpr) for fpr in (0.1, 0.01))]
    np.testing.assert_allclose(found, stored()[f"{peer}/metrics/{name}"], atol=1e-8)
