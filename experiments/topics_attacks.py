"""Python's documentation: the strongest attacks on a fine-tuned decoder, with and without shadows.

Command: `pptp run experiments/topics_attacks.py` (no download).

Every attack for text, and those for any task that apply, on the decoder of `topics.py`: all of it
learned for one epoch and for eight. Of the 700 paragraphs 100 are set aside as known non-members,
which ReCaLL and quantile regression ask for.

Result (docs/language.md): without shadows EZ-MIA sees most, and far less than any attack with them.
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.attacks import ATTACKS
from pptp_jax.study import load_study
from pptp_jax.training import undefended

OTHERS = (
    "loss",
    "calibration_sablayrolles",
    "lira_online",
    "lira_offline",
    "bavaria_t",
    "base_online",
    "base_offline",
    "attack_p",
    "attack_r",
    "quantile_regression",
)
TEXT = (
    "min_k",
    "min_k_plus_plus",
    "zlib_ratio",
    "base_ratio",
    "lowercase",
    "recall",
    "neighbourhood",
    "ez_mia",
    "informia",
    "informia_tokens",
    "lira_tokens",
)

study = replace(
    load_study(Path(__file__).with_name("topics.py")),
    name="topics_attacks",
    examples=700,
    reference=100,
    trajectory=(),
    attacks=(*OTHERS, ATTACKS["rmia_online"].using(gamma=1.0), *TEXT),
    recipes=(undefended(8), undefended(1)),
)
