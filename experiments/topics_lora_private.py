"""The study of `topics_lora_thin.py` with DP-SGD on the adapters, which gives an ε.

Command: `pptp run experiments/topics_lora_private.py` (no download); then

    pptp compare runs/topics runs/topics_lora_private

The base learned other topics alone, so it is public, and what DP-SGD promises of the adapters holds
for the released model. Batches are drawn by Poisson sampling. Result: docs/language.md.
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.study import load_study
from pptp_jax.training import Poisson, Private, dp_sgd


def private(noise: float) -> Private:
    """Clipped to 1, noised, sixteen examples at once."""
    return Private(noise_multiplier=noise, max_norm=1.0, microbatch_size=16)


study = replace(
    load_study(Path(__file__).with_name("topics_lora_thin.py")),
    name="topics_lora_private",
    recipes=tuple(dp_sgd(private(noise), 12, batches=Poisson()) for noise in (0.4, 0.7, 1.5)),
    trajectory=(1, 2, 3, 4, 6, 8),
)
