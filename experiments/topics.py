"""Python's own documentation: what a small decoder gives away of its paragraphs, by region.

Command: `pptp run experiments/topics.py` (no download).

A paragraph is a record of 64 bytes. The utility is bits a byte on paragraphs that a model has not
learned. Early stopping is the trajectory of the plain recipe; each other recipe freezes some blocks
after 4 epochs.

Cost: about ten minutes of one core, by the speed of one recipe. No result is known yet: the study
was run in miniature (4 models, 200 paragraphs, 2 epochs), from paragraphs to the report.
"""

import optax

from pptp_jax.attacks import ATTACKS
from pptp_jax.data import Balanced, Topics
from pptp_jax.models import gpt
from pptp_jax.study import Study
from pptp_jax.training import freeze, undefended

study = Study(
    name="topics",
    data=Topics(length=64),
    examples=600,
    model=gpt(width=64, depth=2, heads=4, context=64),
    split=Balanced(models=16),
    optimizer=optax.adamw(3e-3, weight_decay=0.01),
    batch_size=16,
    trajectory=(2, 4, 6, 8, 10),
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
    ),
    recipes=(
        undefended(12),
        freeze("embed", after=4, more=6),
        freeze(("embed", "block1"), after=4, more=6),
        freeze("not head", after=4, more=6),
        freeze("head", after=4, more=6),
    ),
)
