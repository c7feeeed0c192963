"""The study of `topics_lora_thin.py` with dropout in the decoder beside the adapters.

Command: `pptp run experiments/topics_lora_dropout.py` (no download). Result: docs/language.md.
"""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp

from pptp_jax.models import lora
from pptp_jax.study import load_study

dropping = load_study(Path(__file__).with_name("topics_dropout.py"))

study = replace(
    load_study(Path(__file__).with_name("topics_lora_thin.py")),
    name="topics_lora_dropout",
    model=lora(dropping.model, rank=2, x=jnp.zeros((1, 64), jnp.int32), public=True),
)
