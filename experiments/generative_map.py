"""Which blocks of a denoiser remember their members? A risk map, by the denoising error.

Command: `pptp locate experiments/generative_map.py --retrain 0` (no download; it prints the map and
writes it to `runs/generative_map`).

Sixteen class-conditional diffusion models of a perceptron learn halves of the digits. Each block,
and each prefix and suffix, goes back to its initial weights or to those after a tenth of the
training. The negated denoising error takes the place of accuracy.

Result: docs/findings.md.
"""

from pptp_jax.data import Balanced, Digits
from pptp_jax.models import ddpm, denoising_mlp
from pptp_jax.study import Study
from pptp_jax.training import AdamW, undefended

study = Study(
    name="generative_map",
    data=Digits(),
    model=ddpm(
        denoising_mlp([128, 128, 128], num_classes=10),
        steps=100,
        shape=(8, 8, 1),
        timesteps=(3, 8, 15, 25, 40, 60, 80),
        draws=3,
    ),
    split=Balanced(models=16),
    optimizer=AdamW(learning_rate=2e-3),
    batch_size=100,
    recipes=(undefended(150),),
)
