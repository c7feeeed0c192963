"""The study of `topics.py` with dropout while all of the decoder learns.

Command: `pptp run experiments/topics_dropout.py` (no download); then

    pptp compare runs/topics runs/topics_dropout

A tenth of the values is dropped. Result: docs/language.md.
"""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp

from pptp_jax.models import gpt, starting_from
from pptp_jax.study import load_study
from pptp_jax.training import annealed, undefended

full = load_study(Path(__file__).with_name("topics.py"))
base = full.model.init(jax.random.key(0), jnp.zeros((1, 64), jnp.int32))
decoder = gpt(width=64, depth=2, heads=4, context=64, tied=False, dropout=0.1)

study = replace(
    full,
    name="topics_dropout",
    model=starting_from(decoder, base),
    recipes=(undefended(8), *(annealed(stop, anneal=1) for stop in (4, 2))),
)
