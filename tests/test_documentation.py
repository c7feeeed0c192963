"""What the documentation shows is what happens, and every public name shows something.

The examples in docstrings are run by `pytest --doctest-modules pptp_jax`.
"""

import doctest
import importlib
import re
from pathlib import Path

import jax
import pytest

PACKAGES = [
    "attacks",
    "audit",
    "data",
    "evaluation",
    "fleets",
    "locate",
    "metrics",
    "models",
    "objectives",
    "privacy",
    "regions",
    "release",
    "report",
    "robustness",
    "signals",
    "study",
    "tasks",
    "training",
    "transforms",
]
DOCS = Path(__file__).parents[1] / "docs"
# The walk-through is executed as one, by tests/test_walkthrough.py.
PAGES = [
    page
    for page in sorted(DOCS.glob("*.md"))
    if "```python" in page.read_text() and page.stem != "location30_walkthrough"
]
# Names of types, which have no docstring of their own.
TYPES = {"Optimizer", "Precision", "Region"}
# What is made by other functions, or needs an entire run to show anything.
NAMED_ALONE = {
    "Agreement",
    "AttackResults",
    "BayesianLoss",
    "BayesResponse",
    "Block",
    "BoundPair",
    "Branch",
    "Brier",
    "CalibratedRates",
    "Checkpoint",
    "Combination",
    "Division",
    "Guarantee",
    "Interval",
    "LoopPhase",
    "MatchedComparison",
    "MembershipRisk",
    "Membership",
    "Metrics",
    "Objective",
    "Point",
    "Probe",
    "Progress",
    "RateDistortion",
    "Reference",
    "Regions",
    "Release",
    "ReliabilityBin",
    "Restored",
    "Roc",
    "RocBand",
    "Round",
    "SignalRequest",
    "Size",
    "Slice",
    "Source",
    "Stability",
    "StoredFleet",
    "StreamProgress",
    "Trained",
    "TrainedRelease",
    "Trainer",
    "Variables",
    "draw_attack_rocs",
    "draw_curves",
    "draw_figures",
    "draw_risk_map",
    "load_study",
    "narrowed",
    "read_results",
    "render_attacks",
    "render_canaries",
    "render_forecast",
    "render_risk_map",
    "render_runs",
    "render_table",
    "render_white_box",
    "risk_map",
    "run",
    "run_canaries",
    "run_fleets",
    "run_search",
    "write_report",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages(page: Path) -> None:
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried and not failed


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_described_and_shown(package: str) -> None:
    module = importlib.import_module(f"pptp_jax.{package}")
    for name in module.__all__:
        public = getattr(module, name)
        if callable(public) and name not in TYPES:
            assert public.__doc__, name
            if not name.endswith("State") and name not in NAMED_ALONE:
                assert ">>>" in public.__doc__, name


def natural(name: str) -> list[tuple[bool, int, str]]:
    """Numbers by their value, as ruff sorts: resnet8 before resnet18."""
    parts = re.findall(r"\d+|\D+", name)
    return [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts]


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_in_alphabetical_order(package: str) -> None:
    names = importlib.import_module(f"pptp_jax.{package}").__all__
    constants = [name for name in names if name.isupper()]
    classes = [name for name in names if not (name.isupper() or name[0].islower())]
    functions = [name for name in names if name[0].islower()]
    kinds = (constants, classes, functions)
    assert names == [name for kind in kinds for name in sorted(kind, key=natural)]
