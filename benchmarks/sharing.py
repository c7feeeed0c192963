"""How much time does it save to train first phases that recipes share only once?

Of each study: the epochs of training that a model goes through, over those of every recipe by
itself; nothing is trained for that. Then the same studies in miniature, on made-up data of the same
shape, are trained both ways in turn, compilation left out by a warm-up: the seconds over those of
every recipe by itself.

    python benchmarks/sharing.py [STUDY ...] [--quick] [--json FILE]

Without a STUDY: experiments/digits.py and experiments/location30.py.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rows import Table, command, in_turn

from pptp_jax.data import Dataset
from pptp_jax.fleets import FleetSpec, Runtime, fingerprint, run_fleet, run_fleets
from pptp_jax.fleets.shared_phases import plan_sharing
from pptp_jax.study import load_study
from pptp_jax.training import Strategy

STUDIES = Path(__file__).parents[1] / "experiments"
MODELS, EXAMPLES = 2, 640
SCAN = Runtime(strategy=Strategy(order="scan"))


def specs(path: Path) -> list[FleetSpec]:
    """The fleets of a study on made-up inputs, as wide as its model needs them."""
    study = load_study(path)
    width = {"digits": (8, 8, 1), "location30": (446,)}[study.name]
    classes = study.model.config["num_classes"]
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, (EXAMPLES, *width)), np.arange(EXAMPLES) % classes
    data = Dataset(study.name, x.astype(np.uint8), y, np.arange(EXAMPLES).astype(str), classes)
    members = np.stack([np.sort(rng.permutation(EXAMPLES)[: EXAMPLES // 2]) for _ in range(MODELS)])
    return [
        FleetSpec(
            model=study.model,
            recipe=recipe,
            data=data,
            members=members,
            optimizer=study.optimizer,
            batch_size=study.batch_size,
            stops=study.trajectory,
        )
        for recipe in study.recipes
    ]


def epochs(own: list[FleetSpec]) -> tuple[int, int]:
    """The epochs of a model over all recipes, and those that are left to train."""
    every = [sum(int(phase.epochs) for phase in spec.recipe.phases) for spec in own]
    saved = [s.trunks[0].epochs if s.trunks else 0 for s in plan_sharing(own, [Path()] * len(own))]
    return sum(every), sum(every) - sum(saved)


def trained(own: list[FleetSpec], keys: list[str], *, shared: bool) -> Any:
    """Trains every fleet, from nothing."""
    with tempfile.TemporaryDirectory() as name:
        homes = [Path(name) / str(i) for i in range(len(own))]
        if shared:
            return run_fleets(own, homes, SCAN, keys=keys) and None
        for spec, home, key in zip(own, homes, keys, strict=True):
            run_fleet(spec, home, SCAN, key=key)
    return None


def main() -> None:
    """Prints the rows."""
    parser = command(__doc__)
    parser.add_argument("studies", nargs="*", type=Path, metavar="STUDY")
    args = parser.parse_args()
    paths = args.studies or [STUDIES / "digits.py", STUDIES / "location30.py"]
    with Table(args.json, "jax") as table:
        for path in paths:
            own = specs(path)
            alone, left = epochs(own)
            table(f"{path.stem}: epochs of {len(own)} recipes", alone, "epochs")
            table(f"{path.stem}: epochs that are trained", left / alone, "x", "each by itself")
            if args.quick:
                own = own[:4]
            keys = [fingerprint(spec) for spec in own]
            ways = {
                "shared": lambda own=own, keys=keys: trained(own, keys, shared=True),
                "alone": lambda own=own, keys=keys: trained(own, keys, shared=False),
            }
            times = in_turn(ways, 1 if args.quick else 5)
            ratio = times["shared"] / times["alone"]
            table(f"{path.stem}: seconds in miniature", ratio, "x", "each by itself")


if __name__ == "__main__":
    main()
