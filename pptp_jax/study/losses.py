"""The loss after each epoch in a file, for those who watch a training."""

import csv
from dataclasses import replace
from pathlib import Path

from pptp_jax.fleets import Runtime
from pptp_jax.training import Progress, Recipe

COLUMNS = "recipe,finished_models,training_models,epoch,loss"


def recording(runtime: Runtime, path: Path) -> Runtime:
    """The runtime, which also appends a line to a CSV file after each epoch.

    A run that is resumed appends to the file that it finds; epochs that it trains a second time
    are there twice.

    Args:
        runtime: of process 0; the others write nothing.
        path: the file.

    Examples:
        >>> import tempfile
        >>> from pptp_jax.training import undefended
        >>> path = Path(tempfile.mkdtemp()) / "losses.csv"
        >>> runtime = recording(Runtime(), path)
        >>> runtime.on_progress(undefended(3), Progress(models=0, training=4, epoch=1, loss=2.25))
        >>> print(path.read_text())
        recipe,finished_models,training_models,epoch,loss
        undefended_3,0,4,1,2.25
        <BLANKLINE>
    """
    if not runtime.processes.first:
        return runtime

    def followed(recipe: Recipe, now: Progress) -> None:
        runtime.on_progress(recipe, now)
        heading = "" if path.exists() else f"{COLUMNS}\n"
        row = (recipe.slug, now.models, now.training, now.epoch, f"{now.loss:.6g}")
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(heading)
            csv.writer(file, lineterminator="\n").writerow(row)

    return replace(runtime, on_progress=followed)
