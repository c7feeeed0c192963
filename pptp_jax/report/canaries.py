"""The table of an audit by canaries, for a terminal."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.secrets import secrets_notes, secrets_table
from pptp_jax.report.simple_table import simple_table


def render_canaries(results: Mapping[str, Any]) -> str:
    """One line a recipe: utility, the ε that is claimed, and the bounds from below.

    Below it, of text canaries, a line for each recipe and number of repetitions.

    Args:
        results: the content of `audit.json`.

    Returns:
        The table with a heading and notes, as plain text.
    """
    secrets, gradients = "secrets" in results, "pooled" in results["rows"][0]
    pooled = ("all canaries ε ≥", "if Gaussian ε ≥") if gradients else ("many runs ε ≥",)
    numbers = (
        results["utility"] if secrets else "test accuracy",
        "accounted ε ≤",
        "one run ε ≥",
        "over the runs",
        *pooled,
    )
    table = simple_table(["recipe"], numbers)
    notes = []
    for row in results["rows"]:
        claimed, bounds = row["accounted"], np.array(row["each_run"])
        low, middle, high = np.quantile(bounds, [0, 0.5, 1])
        together = row["pooled"].values() if gradients else (row["many_runs"],)
        table.add_row(
            row["slug"],
            f"{row['utility' if secrets else 'test_accuracy']['value']:.3f}",
            "none" if claimed is None else f"{claimed['epsilon']:.2f}",
            f"{row['one_run']['epsilon']:.2f}",
            f"{middle:.2f} [{low:.2f}, {high:.2f}]",
            *(f"{bound['epsilon']:.2f}" for bound in together),
        )
        notes.append(f"{row['slug']}, one run: {row['one_run']['evidence']}")
        if not gradients:
            notes.append(f"{row['slug']}, many runs: {row['many_runs']['evidence']}")
        if row["jax_privacy"] is not None:
            theirs = row["jax_privacy"]
            notes.append(
                f"{row['slug']}, one run by jax_privacy: ε ≥ {theirs['one_run']:.2f}; by its f-DP "
                f"audit, for a Gaussian mechanism, {theirs['one_run_fdp']:.2f}"
            )
        if claimed is not None:
            above = int((bounds > claimed["epsilon"]).sum())
            notes.append(f"{row['slug']}: {above} of {len(bounds)} runs are above the accounted ε")
        if row["diverged"]:
            notes.append(f"{row['slug']}: runs {row['diverged']} diverged and are left out")
    kind = "secrets as canaries" if secrets else "canaries with wrong labels"
    if results.get("gradients"):
        kind = "canaries that are gradients,"
    heading = (
        f"{results['audit']}: {results['data']['name']}, {results['canaries']} {kind} among "
        f"{results['places']} places in training; {results['runs']} runs a recipe"
    )
    tables = [table]
    if secrets:
        tables.append(secrets_table(results))
        notes += secrets_notes(results)
    explained = (
        f"ε at δ = {results['delta']:.2g}; each bound from below holds alone with "
        f"{100 * results['confidence']:g} % confidence. One run: the first; over the runs: median "
        "and range of all runs, each as one run"
        + ("; all canaries: of all runs, as independent of one another" if gradients else "")
    )
    return plain_text(heading, *tables, explained, *(f"note: {note}" for note in notes))
