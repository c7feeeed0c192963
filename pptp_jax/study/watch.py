"""Watch the first models of a run: warn early if their loss does not fall."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from pptp_jax.fleets import Runtime
from pptp_jax.training import Progress, Recipe

# This number of steps is enough to beat an answer that ignores the input.
STEPS = 100
# What has not fallen by this share of it may differ from it by chance.
MARGIN = 0.02
# A mean loss this many times that of a constant answer means that a step was too long.
THROWN = 10


def entropy(labels: Int[np.ndarray, " examples"]) -> float:
    """The cross-entropy of always answering with the shares of the classes.

    Examples:
        >>> print(f"{entropy(np.array([0, 1, 0, 1])):.3f}")
        0.693
    """
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())


class Watch:
    """Watches the first group that a run trains, and warns once if its loss does not fall.

    It trains nothing itself: a model of its own would have to be compiled, which takes longer than
    the first epochs of small models and much longer on large ones. So it costs nothing, changes no
    number, and is silent on fleets that an earlier run has begun or finished. Of a training that
    ends before it could tell, the results say the same.

    Attributes:
        chance: the loss of always answering with the shares of the classes.
        steps: how many steps an epoch has.
        log: receives the warning.

    Examples:
        >>> from pptp_jax.training import undefended
        >>> watch = Watch(labels=np.arange(60) % 10, steps=50, log=print)
        >>> for epoch, loss in enumerate([2.4, 2.31, 2.3], start=1):
        ...     watch(undefended(3), Progress(models=0, training=4, epoch=epoch, loss=loss))
        warning: undefended_3: after 2 epochs the loss is 2.31, and 2.3 for always answering ...
    """

    def __init__(
        self, *, labels: Int[np.ndarray, " examples"], steps: int, log: Callable[[str], object]
    ) -> None:
        self.chance, self.steps, self.log = entropy(labels), steps, log
        self._looking: bool | None = None

    def __call__(self, recipe: Recipe, now: Progress) -> None:
        """Checks the loss after an epoch of a run."""
        if self._looking is None:
            self._looking = (now.models, now.epoch) == (0, 1)
        if not self._looking:
            return
        enough = max(2, -(-STEPS // self.steps))  # the mean over the first epoch looks back
        if now.epoch >= enough or not now.loss < THROWN * self.chance:
            self._looking = False
            if not now.loss < (1 - MARGIN) * self.chance:
                self.log(_warning(recipe, now, self.chance))


def watching(runtime: Runtime, labels: Int[np.ndarray, " examples"] | None, steps: int) -> Runtime:
    """The runtime, which also warns if the first models do not learn.

    Args:
        runtime: of process 0, or of another, which says nothing.
        labels: the classes of the examples; without classes nothing is said.
        steps: how many steps an epoch has.
    """
    if not runtime.processes.first or labels is None:
        return runtime
    watch = Watch(labels=labels, steps=steps, log=runtime.log)

    def followed(recipe: Recipe, now: Progress) -> None:
        runtime.on_progress(recipe, now)
        watch(recipe, now)

    return replace(runtime, on_progress=followed)


def _warning(recipe: Recipe, now: Progress, chance: float) -> str:
    epochs = f"{now.epoch} epoch{'s' if now.epoch > 1 else ''}"
    return (
        f"warning: {recipe.slug}: after {epochs} the loss is {now.loss:.3g}, and {chance:.3g} for "
        "always answering with the shares of the classes: these models have not begun to learn. "
        "If it stays so, attacks will find nothing; try a lower learning rate or standardize=True"
    )
