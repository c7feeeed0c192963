"""The study of `topics_dropout.py` with three tenths of the values dropped.

Command: `pptp run experiments/topics_dropout_strong.py` (no download). Result: docs/language.md.
"""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp

from pptp_jax.models import gpt, starting_from
from pptp_jax.study import load_study

weaker = load_study(Path(__file__).with_name("topics_dropout.py"))
base = weaker.model.init(jax.random.key(0), jnp.zeros((1, 64), jnp.int32))
decoder = gpt(width=64, depth=2, heads=4, context=64, tied=False, dropout=0.3)

study = replace(weaker, name="topics_dropout_strong", model=starting_from(decoder, base))
