"""The study of `topics.py` with adapters of rank 8 beside a frozen decoder.

Command: `pptp run experiments/topics_lora.py` (no download); then

    pptp compare runs/topics runs/topics_lora

Adapters are small, and learn at a higher rate. Result: docs/language.md.
"""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp

from pptp_jax.models import lora
from pptp_jax.study import load_study
from pptp_jax.training import AdamW, annealed, undefended

full = load_study(Path(__file__).with_name("topics.py"))

study = replace(
    full,
    name="topics_lora",
    model=lora(full.model, rank=8, x=jnp.zeros((1, 64), jnp.int32), public=True),
    optimizer=AdamW(learning_rate=3e-3, weight_decay=1e-4, schedule="constant"),
    recipes=(undefended(12), *(annealed(stop, anneal=1) for stop in (6, 3))),
    trajectory=(1, 2, 3, 4, 6, 8),
)
