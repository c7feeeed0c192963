"""Two small fleets that share a phase, trained in groups of two, and what they leave on disk."""

import hashlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pptp_jax.data import Balanced, Digits, member_indices
from pptp_jax.fleets import FleetSpec, Runtime, fingerprint
from pptp_jax.models import Model, Variables
from pptp_jax.regions import Block
from pptp_jax.training import Recipe, Strategy, early_stopped, freeze

DATA = Digits().load(lambda n: np.arange(120))
MEMBERS = member_indices(Balanced(6).draw(120, 0).matrix)[:5]


def init(key: Any, x: Any) -> Variables:
    body, head = (jax.random.fold_in(key, part) for part in range(2))
    params = {
        "body": {"w": 0.1 * jax.random.normal(body, (64, 8))},
        "head": {"w": 0.1 * jax.random.normal(head, (8, 10))},
    }
    return Variables(params, {})


def apply(params: Any, state: Any, x: Any, *, train: Any, key: Any) -> Any:
    hidden = jax.nn.relu(x.reshape(len(x), -1) @ params["body"]["w"])
    return hidden @ params["head"]["w"], state


# A model of a user's own. Those of pptp_jax cannot be pickled here: the tests' checks of shapes
# stand around their functions. `test_engines.py` sends them from processes without.
MODEL = Model(init, apply, (Block("body", "body/.*"), Block("head", "head/.*")))


def spec_of(recipe: Recipe, **change: Any) -> FleetSpec:
    settings = {"model": MODEL, "data": DATA, "members": MEMBERS, "batch_size": 30, "stops": (1,)}
    return FleetSpec(recipe=recipe, signals=MODEL.task.signals, **(settings | change))


SPECS = [spec_of(early_stopped(2)), spec_of(freeze("body", after=2, more=1))]
HOMES = [spec.recipe.slug for spec in SPECS]
KEYS = [fingerprint(spec) for spec in SPECS]


def runtime(executor: Any = None, **change: Any) -> Runtime:
    """One after another in groups of two, by an executor or in this process."""
    order = Strategy(order="scan")
    return Runtime(**{"strategy": order, "executor": executor, "workers": 3} | change)


def contents(out: Path) -> dict[str, str]:
    """The hash of every file below a directory, by its name."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }
