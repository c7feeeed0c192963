"""A study on images with flips and shifts: as many models as the time allows, and LiRA.

A group of models is trained side by side, each on half of the examples, each example in half of the
group. After every group all models so far are attacked, each by all others.
"""

import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from accelerator_steps.recorder import Recorder, Setting, Skip
from pptp_jax import models
from pptp_jax.attacks import Evidence, lira_online
from pptp_jax.data import Arrays, Augmentation, Balanced, Dataset, Npz, member_indices
from pptp_jax.metrics import attack_metrics
from pptp_jax.models import Model, Variables, in_precision, standardized
from pptp_jax.signals import FLIP, IDENTITY, collect
from pptp_jax.training import DEFAULT_OPTIMIZER, Execution, Trained, train_fleet, undefended

GROUP, MOST_GROUPS, EPOCHS, BATCH = 16, 64, 30, 128
FPR = 0.001


def images(setting: Setting) -> Dataset:
    """The images of the file, an even number of them; made up to rehearse."""
    if setting.rehearse:
        draw = np.random.default_rng(0)
        x = draw.integers(0, 256, (64, 8, 8, 3), np.uint8)
        y = (np.arange(64) % 10).astype(np.int32)
        return Dataset("made up", x, y, np.arange(64).astype(str), 10, 1 / 255)
    if setting.data is None:
        raise Skip("needs images: give --data FILE.npz, which accelerator_data.py makes")
    return Npz(setting.data).load(lambda count: np.arange(count // 2 * 2))


def network(name: str, data: Dataset, rehearse: bool) -> Model:
    """A network by the name of its function, on standardised images, trained in bfloat16."""
    if name == "cnn":
        widths, dense = ([4], 8) if rehearse else ([32, 64, 128], 128)
        model = models.cnn(widths, dense=dense, num_classes=10, norm="batch")
    elif name in models.BUILDERS:
        model = getattr(models, name)(num_classes=data.num_classes)
    else:
        raise Skip(f"--network {name} is none of {', '.join(models.BUILDERS)}")
    seen = data.inputs()
    mean, deviation = seen.mean(axis=(0, 1, 2)), seen.std(axis=(0, 1, 2))
    return in_precision(standardized(model, mean.tolist(), deviation.tolist()), "bfloat16")


def membership(examples: int, group: int, groups: int) -> np.ndarray:
    """Who is a member of what, (models, examples); each group is balanced by itself."""
    drawn = [Balanced(models=group).draw(examples, seed).matrix for seed in range(groups)]
    return np.concatenate(drawn)


def measure(show: Recorder, setting: Setting) -> None:
    """Trains group by group; accuracy and LiRA after each."""
    data = images(setting)
    model = network(setting.network, data, setting.rehearse)
    group, epochs, batch = (6, 2, 16) if setting.rehearse else (GROUP, EPOCHS, BATCH)
    groups = 2 if setting.rehearse else MOST_GROUPS
    matrix = membership(len(data), group, groups)
    shift = 1 if setting.rehearse else 4
    arrays = Arrays.of(data, augmentation=Augmentation(flip=True, shift=shift))
    stamps = [time.monotonic()]
    execution = Execution(
        groups=[tuple(range(i * group, (i + 1) * group)) for i in range(groups)],
        on_progress=lambda progress: stamps.append(time.monotonic()),
        stop=lambda: show.left < 0,
    )
    trained = train_fleet(
        model,
        undefended(epochs),
        arrays,
        member_indices(matrix),
        optimizer=DEFAULT_OPTIMIZER,
        batch_size=batch,
        execution=execution,
    )
    held: list[dict[str, np.ndarray]] = []
    ask = _asker(model, arrays)
    for own in _until_stopped(trained):
        held.append({name: np.asarray(found) for name, found in ask(own.variables).items()})
        count = len(held) * group
        title = f"images, {setting.network}, {count} models of {len(data) // 2} members"
        # The first epoch of all compiles; the steps between groups are those of the signals.
        an_epoch = float(np.median(np.diff(stamps)))
        if len(held) == 1:
            show(f"{title}: first epoch, compiling", stamps[1] - stamps[0], "s")
        show(
            f"{title}: trainings of {epochs} epochs", 3600 * group / (epochs * an_epoch), "models/h"
        )
        if not own.finite.all():
            show.note(f"{title}: {int((~own.finite).sum())} models of the last group diverged")
        _attack(show, title, held, matrix[:count])
        if show.left < 1.1 * epochs * an_epoch:
            break
    if not held:
        done = f"{len(stamps) - 1} of {epochs} epochs of {group} models"
        raise Skip(f"no group was trained in time, {done} were")


def _until_stopped(trained: Iterator[Trained]) -> Iterator[Trained]:
    """The groups; the one in which the time ended is left out."""
    try:
        yield from trained
    except KeyboardInterrupt:
        return


def _asker(model: Model, data: Arrays) -> Any:
    """From some models' variables to their signals on all examples, as they are and mirrored."""

    def one(variables: Variables) -> dict[str, jax.Array]:
        found = collect(model.answering(variables), data, task=model.task, queries=(IDENTITY, FLIP))
        return {name: found[name] for name in ("confidence", "correct")}

    return jax.jit(lambda variables: jax.lax.map(one, variables))


def _attack(
    show: Recorder, title: str, held: list[dict[str, np.ndarray]], members: np.ndarray
) -> None:
    confidence, correct = (
        np.concatenate([found[name] for found in held]) for name in ("confidence", "correct")
    )
    right = correct.reshape(len(members), -1, members.shape[1])[:, 0].astype(float)
    for who, chosen in (("members", members), ("non-members", ~members)):
        accuracy = [own[rows].mean() for own, rows in zip(right, chosen, strict=True)]
        show(f"{title}: accuracy on {who}", accuracy, "")
    begun = time.monotonic()
    scores = np.asarray(lira_online(Evidence.leave_one_out({"confidence": confidence}, members)))
    show(f"{title}: LiRA on all of them", time.monotonic() - begun, "s")
    found = attack_metrics(scores, members, fprs=[FPR], fnrs=[], priors=[], resamples=50)
    for name in ("auc", f"tpr@{FPR:g}"):
        estimate = found[name]
        if estimate.value is None:
            show.note(f"{title}: too few pairs for LiRA's {name}")
        else:
            show(f"{title}: LiRA's {name}", estimate.value, "")
