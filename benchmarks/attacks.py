"""How much faster are the attacks than the plain NumPy that one would write down first?

RMIA: 16 targets x 60,000 examples x 10,000 population points by one sort and one binary search,
against the comparison of every pair; and the entire attack on 16 models, references included,
against the same pairs alone. LiRA: 256 models x 60,000 examples x 2 queries, every model attacked
in turn with all others as its shadows, by down-dating, against one fit a target. The plain forms
take minutes, so a part of them is timed and counted up: of RMIA some examples of one target against
the entire population, of LiRA one target. Both are timed in turn after a warm-up; of the ratios the
median and the quartiles are given. Memory: what the compiler takes beside input and output, and
what the matrix of all pairs would.

    python benchmarks/attacks.py [--quick] [--json FILE]

`--quick` takes smaller fleets and fewer repetitions; under a minute.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from rows import Table, command, in_turn, planned
from scipy.stats import norm

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.attacks.population_rank import beaten

GAMMA = 2.0


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
    return Evidence.leave_one_out({"confidence": phi}, membership, population=mask)


def plain_pairs(ratio: np.ndarray, population: np.ndarray) -> np.ndarray:
    """The share of pairs of which the ratio of ratios is at least γ."""
    return (ratio[:, None] / population[None] >= GAMMA).mean(axis=1)


def plain_lira(evidence: Evidence, target: int) -> np.ndarray:
    """One target: fits to as many IN as OUT shadows of each example, then the ratio."""
    phi, membership = evidence.shadows["confidence"], evidence.membership
    kinds = [kind & (np.arange(len(phi)) != target)[:, None] for kind in (membership, ~membership)]
    number = np.minimum(*(kind.sum(axis=0) for kind in kinds))
    logs = []
    for kind in kinds:
        where = (kind & (kind.cumsum(axis=0) <= number))[:, None]
        mean = phi.mean(axis=0, where=where)
        std = phi.std(axis=0, ddof=1, where=where)
        logs.append(norm.logpdf(phi[target], mean, std))
    return (logs[0] - logs[1]).sum(axis=0)


def compared(
    show: Table,
    name: str,
    baseline: str,
    ours: Callable[[], object],
    plain: Callable[[], object],
    times: float,
    repetitions: int,
) -> None:
    """Our time, the plain form's counted up, and how many times faster ours is."""
    found = in_turn({"ours": ours, "plain": plain}, repetitions)
    counted = found["plain"] * times
    show(f"{name}: ours", found["ours"], "s", baseline)
    show(f"{name}: plain", counted, "s", baseline)
    show(f"{name}: times faster", counted / found["ours"], "x", baseline)


def rmia(size: Size, show: Table) -> None:
    """Pairs by sorting against pairs one by one."""
    evidence = fleet(size.rmia_models, 1, size)
    assert evidence.population is not None
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
        plain = partial(plain_pairs, one[: size.part], z)
        compared(show, name, baseline, ours, plain, times, size.repetitions)
    compiled = beaten.lower(ratio, GAMMA, population).compile()
    used = planned(compiled).temp_size_in_bytes / 2**20
    pairs = f"{size.examples * size.population / 2**20:.0f} MiB for one target's, one byte each"
    show(f"RMIA's pairs, {shape}: memory beside input and output", used, "MiB", pairs)


def lira(size: Size, show: Table) -> None:
    """Leaving one out by down-dating against fitting again."""
    evidence = fleet(size.lira_models, size.queries, size)
    attack = ATTACKS["lira_online"].using(variance="per_example")
    np.testing.assert_allclose(attack(evidence)[3], plain_lira(evidence, 3), rtol=1e-2, atol=1e-2)
    compared(
        show,
        f"LiRA, {size.lira_models} targets x {size.queries} x {size.examples}",
        "fits of one target in NumPy counted up",
        lambda: attack(evidence),
        lambda: plain_lira(evidence, 0),
        size.lira_models,
        max(3, size.repetitions // 3),
    )


def main() -> None:
    """Measures, prints and stores."""
    options = command(__doc__).parse_args()
    size = QUICK if options.quick else FULL
    with Table(options.json, "jax", "numpy") as show:
        rmia(size, show)
        lira(size, show)


if __name__ == "__main__":
    main()
