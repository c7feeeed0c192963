"""A small study, and what its directory says."""

import json
from pathlib import Path

from pptp_jax.data import Balanced, Digits
from pptp_jax.models import mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.study import Study
from pptp_jax.training import freeze, split, undefended

STUDY = Study(
    name="small",
    data=Digits(),
    model=mlp([8], num_classes=10),
    split=Balanced(models=6),
    examples=300,
    batch_size=50,
    resamples=50,
    recipes=(
        undefended(2),
        freeze("stem", after=1, more=1),
        split("head", RelaxLoss(alpha=1.0), 2),
    ),
)


def rows(out: Path):
    return json.loads((out / "results.json").read_text())["rows"]


def fleets(out: Path) -> dict[str, int]:
    return {
        str(p.relative_to(out)): p.stat().st_mtime_ns for p in out.rglob("after-*/manifest.json")
    }
