"""Python's own documentation: how much a small decoder leaks of its paragraphs, by region.

Command: `pptp run experiments/topics.py` (no download).

A byte-level decoder is pretrained on the paragraphs of every other topic, which takes a minute and
leaves its weights in `runs/`, and is fine-tuned on those of the other topics: 300 members of 600
paragraphs for each of 16 models, 64 bytes each. The utility is bits a byte on paragraphs that a
model has not learned. All of it learns, or its first half stops after two epochs; stops on the way
make each to a curve. `topics_regions.py` lets a part learn alone, `topics_lora.py` and
`topics_lora_thin.py` adapters of rank 8 and 2; `pptp compare` sets two runs side by side. Result:
docs/language.md.
"""

import platform
from pathlib import Path

import jax
import numpy as np

from pptp_jax.attacks import ATTACKS
from pptp_jax.data import Arrays, Balanced, Topics
from pptp_jax.models import Model, gpt, save_variables, starting_from
from pptp_jax.objectives import TaskLoss
from pptp_jax.study import Study
from pptp_jax.training import (
    AdamW,
    Phase,
    Recipe,
    annealed,
    averaged,
    freeze,
    train_fleet,
    undefended,
)

LENGTH, EPOCHS = 64, 8
DECODER = gpt(width=64, depth=2, heads=4, context=LENGTH, tied=False)
# Another Python has other paragraphs, and so another first part.
BASE = Path(f"runs/topics_base_{platform.python_version()}.npz")


def pretrained(path: Path) -> Model:
    """The decoder as it is after thirty epochs on paragraphs that are nobody's members."""
    if not path.exists():
        data = Arrays.of(Topics(length=LENGTH, part="first").load())
        rows = np.arange(len(data.x))[None]
        adam = AdamW(learning_rate=3e-3, weight_decay=1e-4, schedule="constant")
        [base] = train_fleet(DECODER, undefended(30), data, rows, optimizer=adam, batch_size=16)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_variables(path, jax.tree.map(lambda leaf: leaf[0], base.variables))
    return starting_from(DECODER, path)


def falling(epochs: int) -> Recipe:
    """All of it learns, at a rate that falls from the first step on."""
    phase = Phase(epochs=epochs, objectives=TaskLoss(), schedule="linear")
    return Recipe(name="falling", phases=(phase,))


study = Study(
    name="topics",
    data=Topics(length=LENGTH, part="second"),
    examples=600,
    model=pretrained(BASE),
    split=Balanced(models=16),
    optimizer=AdamW(learning_rate=1e-3, weight_decay=1e-4, schedule="constant"),
    batch_size=16,
    trajectory=(1, 2, 3, 4, 6),
    attacks=(
        "loss",
        "lira_online",
        "lira_offline",
        # The default of 2 would ask for tokens that are twice as likely on the average.
        ATTACKS["rmia_online"].using(gamma=1.0),
        "base_online",
        "min_k",
        "min_k_plus_plus",
        "zlib_ratio",
        "base_ratio",
    ),
    recipes=(
        undefended(EPOCHS),
        # Early stopping with an anneal of its own, an anneal alone, and an average in place of one.
        *(annealed(stop, anneal=1) for stop in (4, 2, 1)),
        *(falling(epochs) for epochs in (2, 1)),
        averaged(3, more=3, decay=0.98),
        freeze(("embed", "block1"), after=2, more=EPOCHS - 2),
    ),
)
