"""How much faster are the attacks than the plain NumPy that one would write down first?

RMIA: 16 targets x 60,000 examples x 10,000 population points by one sort and one binary search,
against the comparison of every pair; and the whole attack on 16 models, references included,
against the same pairs alone. LiRA: 256 models x 60,000 examples x 2 queries, every model attacked
in turn with all others as its shadows, by down-dating, against one fit a target. The plain forms
take minutes, so a part of them is timed and counted up: of RMIA some examples of one target against
the whole population, of LiRA one target. Both are timed in turn after a warm-up; of the ratios the
median and the quartiles are given. Memory: what the compiler takes beside input and output, and
what the matrix of all pairs would.

    python benchmarks/attacks.py [--quick] [--json FILE]

`--quick` takes smaller fleets and fewer repetitions; under a minute.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.attacks.beaten import beaten

GAMMA = 2.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, its quartiles, and what it is to be compared with."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    baseline: str


@dataclass(frozen=True, kw_only=True)
class Size:
    """What is attacked, how much of the plain form is timed, and how often."""

    rmia_models: int
    lira_models: int
    queries: int
    examples: int
    population: int
    part: int
    repetitions: int


FULL = Size(
    rmia_models=16,
    lira_models=256,
    queries=2,
    examples=60_000,
    population=10_000,
    part=600,
    repetitions=9,
)
QUICK = Size(
    rmia_models=4,
    lira_models=32,
    queries=2,
    examples=10_000,
    population=2_000,
    part=300,
    repetitions=3,
)


def fleet(models: int, queries: int, size: Size) -> Evidence:
    """Gaussian confidences; half of the models know each example."""
    rng = np.random.default_rng(0)
    halves = np.tile((np.arange(models) % 2 == 0)[:, None], (1, size.examples))
    membership = rng.permuted(halves, axis=0)
    noise = rng.standard_normal((models, queries, size.examples), np.float32)
    mask = np.zeros(size.examples, bool)
    mask[rng.choice(size.examples, size.population, replace=False)] = True
    phi = noise + membership[:, None].astype(np.float32)
    return Evidence(signals={"confidence": phi}, membership=membership, population=mask)


def plain_pairs(ratio: np.ndarray, population: np.ndarray) -> np.ndarray:
    """The share of pairs of which the ratio of ratios is at least γ."""
    return (ratio[:, None] / population[None] >= GAMMA).mean(axis=1)


def plain_lira(evidence: Evidence, target: int) -> np.ndarray:
    """One target: both fits of all others but its stand-in, then the ratio."""
    phi, membership = evidence.signals["confidence"], evidence.membership
    others = np.tile((np.arange(len(phi)) != target)[:, None], (1, phi.shape[2]))
    behind = np.roll(membership, -target - 1, axis=0)
    steps = (behind != membership[target]).argmax(axis=0)
    others[(target + 1 + steps) % len(phi), np.arange(phi.shape[2])] = False
    logs = []
    for chosen in (membership, ~membership):
        where = (chosen & others)[:, None]
        mean = phi.mean(axis=0, where=where)
        std = phi.std(axis=0, ddof=1, where=where)
        logs.append(norm.logpdf(phi[target], mean, std))
    return (logs[0] - logs[1]).sum(axis=0)


def seconds(function: Callable[[], object]) -> float:
    """The time until the result is there."""
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def paired(
    ours: Callable[[], object], plain: Callable[[], object], times: float, repetitions: int
) -> tuple[list[float], list[float], list[float]]:
    """The quartiles of our times, of the plain form's counted up, and of the pairs' ratios."""
    ours(), plain()
    table = []
    for i in range(repetitions):
        first, second = (ours, plain) if i % 2 else (plain, ours)
        taken = {first: seconds(first), second: seconds(second)}
        table.append((taken[ours], taken[plain] * times, taken[plain] * times / taken[ours]))
    columns = zip(*table, strict=True)
    quartiles = [np.percentile(column, [25, 50, 75]).tolist() for column in columns]
    return quartiles[0], quartiles[1], quartiles[2]


def rows(
    name: str, baseline: str, found: tuple[list[float], list[float], list[float]]
) -> list[Row]:
    """Our time, the plain form's, and how many times faster ours is."""
    units = (("ours", "s"), ("plain", "s"), ("times faster", "x"))
    return [
        Row(name=f"{name}: {what}", value=mid, low=low, high=high, unit=unit, baseline=baseline)
        for (what, unit), (low, mid, high) in zip(units, found, strict=True)
    ]


def rmia(size: Size, show: Callable[[Row], None]) -> None:
    """Pairs by sorting against pairs one by one."""
    evidence = fleet(size.rmia_models, 1, size)
    ratio = jax.random.normal(jax.random.key(0), (size.rmia_models, size.examples))
    population = jnp.asarray(np.flatnonzero(evidence.population))
    one, z = np.exp(np.float64(ratio[0])), np.exp(np.float64(ratio[0, population]))
    np.testing.assert_allclose(
        beaten(ratio, GAMMA, population)[0, : size.part],
        plain_pairs(one[: size.part], z),
        atol=1.01 / size.population,
    )
    baseline = f"every pair in NumPy, {size.part} examples of one target counted up"
    times = size.rmia_models * size.examples / size.part
    shape = f"{size.rmia_models} x {size.examples} x {size.population}"
    for name, ours in (
        (f"RMIA's pairs, {shape}", lambda: beaten(ratio, GAMMA, population)),
        (f"RMIA online, whole, {shape}", lambda: ATTACKS["rmia_online"](evidence)),
    ):
        found = paired(ours, lambda: plain_pairs(one[: size.part], z), times, size.repetitions)
        for row in rows(name, baseline, found):
            show(row)
    compiled = beaten.lower(ratio, GAMMA, population).compile()
    used = compiled.memory_analysis().temp_size_in_bytes / 2**20
    show(
        Row(
            name=f"RMIA's pairs, {shape}: memory beside input and output",
            value=used,
            low=used,
            high=used,
            unit="MiB",
            baseline=f"{size.examples * size.population / 2**20:.0f} MiB for the pairs of one "
            "target, one byte each",
        )
    )


def lira(size: Size, show: Callable[[Row], None]) -> None:
    """Leaving one out by down-dating against fitting anew."""
    evidence = fleet(size.lira_models, size.queries, size)
    attack = ATTACKS["lira_online"].using(variance="per_example")
    np.testing.assert_allclose(attack(evidence)[3], plain_lira(evidence, 3), rtol=1e-2, atol=1e-2)
    found = paired(
        lambda: attack(evidence),
        lambda: plain_lira(evidence, 0),
        size.lira_models,
        max(3, size.repetitions // 3),
    )
    name = f"LiRA, {size.lira_models} targets x {size.queries} x {size.examples}"
    for row in rows(name, "fits of one target in NumPy counted up", found):
        show(row)


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description="The speed of the attacks.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to store the rows")
    options = parser.parse_args()
    device = jax.devices()[0]
    print(f"jax {jax.__version__}, {device.device_kind}, {os.cpu_count()} cores, ", end="")
    print(f"{platform.machine()}, python {platform.python_version()}")
    found: list[Row] = []

    def show(row: Row) -> None:
        found.append(row)
        spread = f" [{row.low:.3g}, {row.high:.3g}]" if row.low < row.high else ""
        print(f"{row.name:66} {row.value:8.3g}{spread} {row.unit}", flush=True)

    size = QUICK if options.quick else FULL
    rmia(size, show)
    lira(size, show)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
