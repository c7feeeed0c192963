"""The study of `topics.py` with parts of the decoder that learn alone.

Command: `pptp run experiments/topics_regions.py` (no download); then

    pptp compare runs/topics runs/topics_regions

A block, some parts of all blocks, or the last block and the head learn; all else stays as the base
has it. Result: docs/language.md.
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.objectives import TaskLoss
from pptp_jax.regions import GENERAL, Region
from pptp_jax.study import load_study
from pptp_jax.training import Phase, Recipe

EPOCHS = 8


def alone(region: Region) -> Recipe:
    """A region learns, and all else stays."""
    phase = Phase(epochs=EPOCHS, objectives=TaskLoss(), frozen=(GENERAL,))
    return Recipe(name="alone", phases=(phase,), region=region)


study = replace(
    load_study(Path(__file__).with_name("topics.py")),
    name="topics_regions",
    recipes=tuple(alone(region) for region in ("head", "embed", "attention", "mlp", "blocks[2:]")),
)
