"""Digits: gradient canaries against mislabelled ones at equal ε, by every bound on ε.

The audit by gradients: `pptp canaries experiments/audit_dirac.py`.

Both audits, and the bounds side by side: `python experiments/audit_dirac.py`
(no download; four minutes, one core).

DP-SGD for 15 epochs on 100 digits and 400 canaries, of three noise multipliers; 8 runs a recipe.

Result (docs/bounds.md): by gradients the bound for a Gaussian mechanism comes near the accounted ε
from below; wrong labels find next to nothing of the same trainings.
"""

import argparse
from pathlib import Path

import numpy as np

from pptp_jax.audit import CanaryAudit, GradientCanaryAudit, compare_bounds, run_canaries
from pptp_jax.data import Digits
from pptp_jax.models import mlp
from pptp_jax.report import render_canaries
from pptp_jax.training import SGD, Private, dp_sgd

SETTINGS = {
    "data": Digits(),
    "model": mlp([64, 64], num_classes=10),
    "canaries": 400,
    "held_out": 500,
    "runs": 8,
    "optimizer": SGD(),
    "batch_size": 50,
    "recipes": tuple(
        dp_sgd(Private(noise_multiplier=noise), epochs=15) for noise in (1.0, 2.0, 4.0)
    ),
}

audit = GradientCanaryAudit(name="audit_dirac", examples=600, **SETTINGS)
# Here the canaries are among the examples.
by_labels = CanaryAudit(name="audit_dirac_labels", examples=1000, **SETTINGS)


def main() -> None:
    """Runs both audits and prints their tables, then all bounds on the scores of both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs"))
    out = parser.parse_args().out
    for own in (by_labels, audit):
        results = run_canaries(own, out / own.name)
        print(render_canaries(results), flush=True)
        for row in results["rows"]:
            with np.load(out / own.name / "scores" / f"{row['slug']}.npz") as stored:
                scores, present = stored["scores"], stored["present"]
            print(f"\n{row['slug']}, accounted ε = {row['accounted']['epsilon']:.2f}")
            print("median of 8 runs, each alone [range]        ours    jax_privacy")
            found = [
                compare_bounds(*run, delta=results["delta"])
                for run in zip(scores, present, strict=True)
            ]
            for of_runs in zip(*found, strict=True):
                cells = []
                for bounds in ([b.ours for b in of_runs], [b.theirs for b in of_runs]):
                    low, middle, high = np.quantile(np.array(bounds, float), [0, 0.5, 1])
                    cells.append(f"{middle:.2f} [{low:.2f}, {high:.2f}]")
                print(f"{of_runs[0].kind:20} {of_runs[0].supposes:40} {'   '.join(cells)}")
            if own is audit:
                print("all runs together, as independent scores:")
                pooled = compare_bounds(scores.ravel(), present.ravel(), delta=results["delta"])
                for pair in pooled[2:]:
                    print(f"{pair.kind:20} {pair.ours:.2f}   {pair.theirs:.2f}")


if __name__ == "__main__":
    main()
