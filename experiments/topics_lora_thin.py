"""The study of `topics_lora.py` with adapters of rank 2.

Command: `pptp run experiments/topics_lora_thin.py` (no download). Result: docs/language.md.
"""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp

from pptp_jax.models import lora
from pptp_jax.study import load_study

full = load_study(Path(__file__).with_name("topics.py"))

study = replace(
    load_study(Path(__file__).with_name("topics_lora.py")),
    name="topics_lora_thin",
    model=lora(full.model, rank=2, x=jnp.zeros((1, 64), jnp.int32), public=True),
)
