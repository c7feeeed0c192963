"""The table of exposure and extraction of secrets, for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table

from pptp_jax.evaluation.schema import read_estimate


def secrets_table(results: Mapping[str, Any]) -> Table:
    """One line for each recipe and number of repetitions.

    Args:
        results: the content of the `audit.json` of text canaries.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("recipe", no_wrap=True)
    tries = f"in {results['secrets']['tries']:,} tries"
    for column in ("repetitions", "exposure, bits", "greedily extracted", tries):
        table.add_column(column, justify="right", no_wrap=True)
    for row in results["rows"]:
        for found in row["exposure"]:
            table.add_row(
                row["slug"],
                str(found["repetitions"] or "absent"),
                f"{read_estimate(found['exposure']):.2f}",
                f"{read_estimate(found['greedy']):.3f}",
                f"{read_estimate(found['in_tries']):.3f}",
            )
    return table


def secrets_notes(results: Mapping[str, Any]) -> Iterator[str]:
    """Notes on what the exposures rest on.

    Args:
        results: the content of the `audit.json` of text canaries.
    """
    known = results["secrets"]
    if known["exact"]:
        way = f"exact ranks among all {known['fillings'] + 1:,} fillings"
    else:
        way = f"skew-normal fits to {known['fillings']:,} random fillings each"
    yield (
        f"exposure of {known['template']!r}, a space of {known['bits']:.1f} bits: {way}; a secret "
        "that no model has seen has 1.44 bits on average"
    )
    yield (
        f"extracted in {known['tries']:,} tries: sampling after the prefix brings it out with a "
        f"probability of {known['probability']:g} at least"
    )
    for row in results["rows"]:
        for found in row["exposure"]:
            if found["capped"]:
                where = f"{found['repetitions']} repetitions" if found["repetitions"] else "absent"
                yield (
                    f"{row['slug']}, {where}: to {100 * found['capped']:.2g} % of the secrets the "
                    f"fit gave more bits than the space has; they count {row['most_bits']:.1f}"
                )
