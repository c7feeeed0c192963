"""What a group of budgets comes to, as a table for a terminal."""

from collections.abc import Mapping
from typing import Any

from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.simple_table import simple_table

_EXPLAINED = (
    "rate: how probably an example joins a step; norm: what it is clipped to, over the norm that "
    "noise is measured in; spent: its ε by privacy-loss distributions; advantage: the best "
    "attacker's true over its false positives; among equals: the same if all had this ε; Δ: how "
    "far apart both mechanisms are; advantages differ by up to 2 Δ"
)


def render_budgets(report: Mapping[str, Any]) -> str:
    """A line for each budget, and what has to be known of them.

    Args:
        report: what `pptp_jax.audit.budget_report` gives.

    Examples:
        >>> numbers = ("rate", "norm", "spent", "advantage", "baseline", "divergence")
        >>> row = dict.fromkeys(numbers, 0.5)
        >>> row |= {"epsilon": 8.0, "examples": 3, "kept": False, "broken_by": 2.0}
        >>> found = {"by": "sampling", "delta": 1e-5, "steps": 9, "expected_batch_size": 2}
        >>> found |= {"examples": 3, "noise_multiplier": 1.5, "never_drawn": []}
        >>> found |= {"max_divergence": 0.1, "budgets": [row]}
        >>> print(render_budgets(found).splitlines()[-1])
        The contract of ε = 8 is broken: Δ is 0.500, above 0.1; the holders of ε = 2 break it.
    """
    rows, bound = report["budgets"], report["max_divergence"]
    columns = ("ε", "examples", "rate", "norm", "spent", "advantage", "among equals", "Δ")
    table = simple_table((), (*columns, *(() if bound is None else ("contract",))))
    for row in rows:
        cells = [f"{row['epsilon']:g}", f"{row['examples']:,}", f"{row['rate']:.3g}"]
        cells += [f"{row['norm']:.3g}", f"{row['spent']:.3g}"]
        cells += [f"{row[name]:.3f}" for name in ("advantage", "baseline", "divergence")]
        if bound is not None:
            cells.append("kept" if row["kept"] else "broken")
        table.add_row(*cells)
    heading = (
        f"{report['examples']:,} examples, budgets kept by {report['by']}: noise multiplier "
        f"{report['noise_multiplier']:.4g}, batches of {report['expected_batch_size']:g} on "
        f"average, {report['steps']:,} steps, δ = {report['delta']:g}"
    )
    lines = [plain_text(heading, table, _EXPLAINED, width=100)]
    for budget in report["never_drawn"]:
        lines.append(
            f"warning: of the examples with ε = {budget:g} not one is expected to be drawn in all "
            "of the training: they are left out"
        )
    for row in rows:
        if row.get("kept") is False:
            by = row["broken_by"]
            who = "" if by is None else f"; the holders of ε = {by:g} break it"
            lines.append(
                f"The contract of ε = {row['epsilon']:g} is broken: Δ is {row['divergence']:.3f}, "
                f"above {bound:g}{who}."
            )
    return "\n".join(lines)
