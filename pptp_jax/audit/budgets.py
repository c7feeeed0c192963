"""A report on individual privacy budgets: noise, rates, advantage and contracts."""

import csv
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from pptp_jax.privacy import (
    IndividualContract,
    PrivacyProfile,
    delta_divergence,
    individual_clipping,
    individual_sampling,
    noise_within,
)
from pptp_jax.storage.files import read_arrays
from pptp_jax.validation import Refused, fraction, given, one_of

By = Literal["sampling", "clipping"]
_BY = {"sampling": individual_sampling, "clipping": individual_clipping}


def read_budgets(path: Path) -> Float[np.ndarray, " examples"]:
    r"""The budget of each example, from a CSV file or an `.npz` file.

    Args:
        path: a CSV file with a column `epsilon`, and one `examples` where a line stands for
            several; or an `.npz` file with an array `epsilon` (examples,).

    Raises:
        ValueError: naming the file, the line and what is wrong with it.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "budgets.csv"
        >>> _ = path.write_text("epsilon,examples\n8,1\n2,3\n")
        >>> print(read_budgets(path))
        [8. 2. 2. 2.]
    """
    if path.suffix == ".npz":
        arrays = read_arrays(path)
        if set(arrays) != {"epsilon"}:
            found = ", ".join(sorted(arrays)) or "none"
            raise Refused(f"{path}: give one array, epsilon (examples,); there is {found}")
        return np.asarray(arrays["epsilon"], np.float64)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            names = [name.strip() for name in lines.fieldnames or ()]
            lines.fieldnames = names
            if "epsilon" not in names:
                raise Refused(
                    f"{path}: there is no column epsilon in its first line; it has "
                    f"{', '.join(names) or 'nothing'}"
                )
            each = [
                np.full(
                    int(_number(path, lines, line, "examples")) if "examples" in names else 1,
                    _number(path, lines, line, "epsilon"),
                )
                for line in lines
            ]
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is no text: {error}") from error
    if not each:
        raise Refused(f"{path}: there is no budget under its first line")
    return np.concatenate(each)


def budget_report(
    epsilons: Float[np.ndarray, " examples"],
    *,
    delta: float,
    expected_batch_size: float,
    steps: int,
    by: By = "sampling",
    max_divergence: float | None = None,
    accountant: Literal["rdp", "pld"] = "rdp",
) -> dict[str, Any]:
    """The noise and rates for training with these budgets, and the advantage against each holder.

    Args:
        epsilons: the budget of each example.
        delta: δ, of all.
        expected_batch_size: how many examples a batch has on average.
        steps: how many steps the training has.
        by: whether budgets are kept by how often an example is drawn or by how far it is clipped.
        max_divergence: Δ that each contract allows; None has no contracts.
        accountant: as for `individual_sampling`.

    Returns:
        A record: `noise_multiplier`, `never_drawn` and `budgets`, the largest first, each with
        `epsilon`, `examples`, `rate`, `norm`, `spent` (ε by privacy-loss distributions),
        `advantage`, `baseline`, `divergence`, and, with contracts, `kept` and `broken_by`.

    Raises:
        ValueError: as `individual_sampling`, or if `by` is unknown or Δ lies outside [0, 1].
        ImportError: if dp-accounting is not installed.

    Examples:
        >>> run = dict(delta=1e-5, expected_batch_size=5, steps=40)
        >>> found = budget_report([8.0] * 10 + [2.0] * 90, max_divergence=0.05, **run)
        >>> [(row["epsilon"], row["examples"], row["kept"]) for row in found["budgets"]]
        [(8.0, 10, False), (2.0, 90, True)]
    """
    one_of(_BY, by=by)
    fraction(**given(max_divergence=max_divergence))
    run: dict[str, Any] = {"expected_batch_size": expected_batch_size, "steps": steps}
    found = _BY[by](epsilons, delta, accountant=accountant, **run)
    each = found.epsilons
    rows = []
    for budget in np.unique(each)[::-1].tolist():
        place = int(np.flatnonzero(each == budget)[0])
        own, rate = found.profile(place), expected_batch_size / len(each)
        noise = noise_within(budget, delta, rate=rate, steps=steps, accountant=accountant)
        uniform = PrivacyProfile(rate=rate, noise_multiplier=noise, steps=steps)
        apart = delta_divergence(own, uniform)
        row = {
            "epsilon": budget,
            "examples": int((each == budget).sum()),
            "rate": own.rate,
            "norm": float(found.norms[place]),
            "spent": own.epsilon(delta),
            "advantage": own.advantage,
            "baseline": uniform.advantage,
            "divergence": apart,
        }
        if max_divergence is not None:
            row["kept"] = apart <= max_divergence
            row["broken_by"] = None
            if not row["kept"] and by == "sampling":
                contract = IndividualContract(
                    epsilon=budget, delta=delta, max_divergence=max_divergence
                )
                blame = contract.check(np.delete(each, place), **run).blame
                row["broken_by"] = next(iter(blame), None)
        rows.append(row)
    return {
        "by": by,
        "delta": delta,
        "steps": steps,
        "expected_batch_size": expected_batch_size,
        "accountant": accountant,
        "examples": len(each),
        "noise_multiplier": found.noise_multiplier,
        "never_drawn": list(found.never_drawn),
        "max_divergence": max_divergence,
        "budgets": rows,
    }


def _number(path: Path, lines: "csv.DictReader[str]", cells: dict[str, str], column: str) -> float:
    text = (cells.get(column) or "").strip()
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    whole = column == "examples"
    if not number > 0 or not np.isfinite(number) or (whole and number != int(number)):
        wanted = "an integer of at least 1" if whole else "a number above 0"
        raise Refused(f"{path}, line {lines.line_num}: {column} must be {wanted}, got {text!r}")
    return number
