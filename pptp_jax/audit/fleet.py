"""The runs of an audit by canaries: trained once, and taken up where they stopped.

A recipe's directory has the plan of its groups, the answers of each group that is finished, and the
state of the one that is on its way.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from pptp_jax import __version__
from pptp_jax.audit.canaries import CanaryAudit, Planted, with_absence
from pptp_jax.data import Arrays
from pptp_jax.models import Variables
from pptp_jax.signals import Signals, collect
from pptp_jax.storage.files import write_arrays, write_json
from pptp_jax.training import (
    Checkpoint,
    Progress,
    Recipe,
    chunks,
    fitting_chunk,
    make_train,
    train_fleet,
    usual_strategy,
)


class Asked(NamedTuple):
    """What the runs of a recipe answer.

    Attributes:
        confidence: φ of each canary's wrong label.
        correct: who is right on what was held out.
        finite: who did not diverge.
    """

    confidence: Float[np.ndarray, "runs canaries"]
    correct: Bool[np.ndarray, "runs held_out"]
    finite: Bool[np.ndarray, " runs"]


def asked(
    audit: CanaryAudit,
    planted: Planted,
    recipe: Recipe,
    fleets: Path,
    *,
    resume: bool,
    on_progress: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> Asked:
    """Trains the runs of a recipe and asks them, or reads what an earlier audit has left.

    Runs that were trained side by side are trained anew side by side: a network's last bits depend
    on its neighbours.

    Args:
        audit: the audit.
        planted: its data.
        recipe: which of its recipes.
        fleets: where the recipe gets a directory of its own.
        resume: whether what an earlier audit has left is used.
        on_progress: is told after each epoch.
        stop: whether to stop, asked after each epoch.

    Raises:
        KeyboardInterrupt: if `stop` says so, when the state has been saved.
    """
    key = _fingerprint(audit, planted, recipe)
    home, arrays = fleets / f"{recipe.slug}-{key[:12]}", planted.arrays()
    if not resume:
        shutil.rmtree(home, ignore_errors=True)
    groups = _planned(home, key, audit, recipe, arrays)
    ask, answers = _ask(audit, planted, recipe), []
    for i, group in enumerate(groups):
        path, saved = home / f"answers-{i}.npz", home / f"checkpoint-{i}"
        if (known := _stored(path, len(group), audit)) is None:
            [trained] = train_fleet(
                audit.model,
                with_absence(recipe),
                arrays,
                planted.indices(),
                optimizer=audit.optimizer,
                batch_size=audit.batch_size,
                seed=audit.seed,
                groups=[group],
                width=max(map(len, groups)),
                checkpoint=partial(_checkpoint, saved),
                on_progress=partial(_told, on_progress, group[0]),
                stop=stop,
            )
            found = ask(trained.variables, group)
            known = found._replace(finite=found.finite & trained.finite)
            write_arrays(path, known._asdict())
        shutil.rmtree(saved, ignore_errors=True)
        answers.append(known)
    return Asked(*map(np.concatenate, zip(*answers, strict=True)))


def _checkpoint(directory: Path, _: tuple[int, ...]) -> Checkpoint:
    return Checkpoint(directory)


def _told(on_progress: Callable[[Progress], None], before: int, now: Progress) -> None:
    on_progress(now._replace(models=before))


def _ask(
    audit: CanaryAudit, planted: Planted, recipe: Recipe
) -> Callable[[Variables, tuple[int, ...]], Asked]:
    """What takes the answers of a group."""
    data = planted.asked()

    def signals(variables: Variables, key: Key[Array, ""], data: Arrays) -> Signals:
        return collect(audit.model, variables, data, release=recipe.release, key=key)

    take = jax.jit(jax.vmap(signals, in_axes=(0, 0, None)))
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(audit.seed)))

    def ask(variables: Variables, group: tuple[int, ...]) -> Asked:
        seen = take(variables, keys(jnp.array(group)), data)
        confidence = np.asarray(seen.confidence[:, 0, : audit.canaries])
        correct = np.asarray(seen.correct[:, audit.canaries :])
        return Asked(confidence, correct, np.isfinite(confidence).all(axis=1))

    return ask


def _planned(
    home: Path, key: str, audit: CanaryAudit, recipe: Recipe, data: Arrays
) -> list[tuple[int, ...]]:
    """The groups: as an earlier audit has had them, or as the memory allows."""
    path = home / "fleet.json"
    try:
        stored = json.loads(path.read_text())
        groups = [tuple(group) for group in stored["groups"]]
        if stored["key"] == key and sum(groups, ()) == tuple(range(audit.runs)):
            return groups
    except (OSError, ValueError, TypeError, KeyError):
        pass
    shutil.rmtree(home, ignore_errors=True)
    networks, strategy = recipe.networks, usual_strategy()
    size = fitting_chunk(audit.model, data, audit.batch_size, audit.runs, networks, strategy)
    groups = chunks(audit.runs, size)
    write_json(path, {"key": key, "groups": groups})
    return groups


def _stored(path: Path, runs: int, audit: CanaryAudit) -> Asked | None:
    """The answers of a group; None where they are missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            found = Asked(*(arrays[name] for name in Asked._fields))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    shapes = (runs, audit.canaries), (runs, audit.held_out), (runs,)
    return found if tuple(array.shape for array in found) == shapes else None


def _fingerprint(audit: CanaryAudit, planted: Planted, recipe: Recipe) -> str:
    """SHA-256 of data, canaries, coins, seed, versions, and the lowered program."""
    train = make_train(
        audit.model, with_absence(recipe), audit.optimizer, batch_size=audit.batch_size
    )

    def program(
        key: Key[Array, ""], data: Arrays, members: Int[Array, " members"], asked: Arrays
    ) -> Signals:
        variables, _ = train(key, data, members)
        return collect(audit.model, variables, asked, release=recipe.release, key=key)

    lowered = jax.jit(program).lower(
        jax.eval_shape(lambda: jax.random.key(0)),
        jax.eval_shape(planted.arrays),
        jax.ShapeDtypeStruct((planted.places,), jnp.int32),
        jax.eval_shape(planted.asked),
    )
    arrays = planted.labels, planted.canaries, planted.held_out, planted.indices()
    parts = [
        planted.data.fingerprint,
        [hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() for array in arrays],
        audit.seed,
        [__version__, jax.__version__],
        lowered.as_text(),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
