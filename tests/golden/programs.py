"""The programs of entire trainings, as hashes: what must stay the same when the house is rebuilt.

`python tests/golden/programs.py` writes `programs.json` again for the JAX version at hand. A hash
is that of the lowered program from a key to a trained model, with the names of functions and
results taken out, so that a rename changes nothing and a change of any number does.
"""

import hashlib
import json
import re
import runpy
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.data import Arrays, Dataset
from pptp_jax.study import Study
from pptp_jax.training import Recipe, make_train

HERE = Path(__file__).parent
STORED = HERE / "programs.json"
EXPERIMENTS = HERE.parents[1] / "experiments"
VERSION = jax.__version__


def nameless(program: str) -> str:
    """The text of a lowered program with symbols numbered in order, and without results' names."""
    program = re.sub(r'jax\.result_info = "[^"]*"', "", program)
    program = re.sub(r"module @\w+", "module", program)
    numbers: dict[str, str] = {}
    return re.sub(
        r"@[\w.]+", lambda found: numbers.setdefault(found.group(), f"@{len(numbers)}"), program
    )


def studies() -> dict[str, tuple[Study, Dataset]]:
    """The studies, with data of the right shapes: a program does not depend on the values."""
    found = {}
    for name in ("digits", "location30"):
        study: Study = runpy.run_path(str(EXPERIMENTS / f"{name}.py"))["study"]
        if name == "digits":
            found[name] = study, study.load()
        else:
            x = np.zeros((5010, 446), np.uint8)
            y = np.arange(5010, dtype=np.int32) % 30
            ids = np.arange(5010).astype(str)
            found[name] = study, Dataset("location30.npz", x, y, ids, 30)
    return found


def one_a_method(study: Study) -> Study:
    """The study with the first recipe of each method and defence: strengths are mere numbers."""
    first = {(r.name, r.defence, len(r.phases)): r for r in reversed(study.recipes)}
    chosen = tuple(r for r in study.recipes if r in first.values())
    return replace(study, recipes=chosen)


def program(study: Study, recipe: Recipe, data: Dataset) -> str:
    """The lowered training of one model: from a key, the data and its members to its weights."""
    train = make_train(study.model, recipe, study.optimizer, batch_size=study.batch_size)
    members = int(study.membership(len(data)).matrix[0].sum())
    reference = study.division(len(data)).reference
    lowered = jax.jit(train).lower(
        jax.eval_shape(lambda: jax.random.key(0)),
        jax.eval_shape(lambda: Arrays.of(data, reference, study.augmentation)),
        jax.ShapeDtypeStruct((members,), jnp.int32),
    )
    return nameless(lowered.as_text())


def programs() -> dict[str, str]:
    """The hash of each recipe's program, by study and slug."""
    return {
        f"{name}/{recipe.slug}": hashlib.sha256(program(study, recipe, data).encode()).hexdigest()
        for name, (study, data) in studies().items()
        for recipe in one_a_method(study).recipes
    }


if __name__ == "__main__":
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    STORED.write_text(json.dumps(stored | {VERSION: programs()}, indent=1, sort_keys=True) + "\n")
