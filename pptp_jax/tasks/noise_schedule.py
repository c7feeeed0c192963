"""The noise schedule: the shares of image and noise at each timestep of a diffusion."""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from pptp_jax.validation import at_least, one_of

Schedule = Literal["linear", "cosine"]

# Of the linear schedule of 1,000 steps; with fewer steps each one adds as much more noise.
_LEAST, _MOST, _STEPS = 1e-4, 0.02, 1000
# Of the cosine schedule.
_OFFSET = 0.008
_LARGEST = 0.999


def signal_shares(schedule: Schedule, steps: int) -> Float[np.ndarray, " steps"]:
    r"""The share \(\bar\alpha_t\) of an image's variance that is left at each timestep.

    At timestep t the network sees \(\sqrt{\bar\alpha_t}\, x + \sqrt{1 - \bar\alpha_t}\,
    \varepsilon\) with Gaussian noise \(\varepsilon\).

    Args:
        schedule: `linear`, whose \(\beta\) grows from 0.0001 to 0.02 over 1,000 steps and is
            multiplied by 1,000 / steps for other numbers of steps; or `cosine`.
        steps: how many timesteps there are.

    Raises:
        ValueError: if there is no such schedule or no step.

    References:
        Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020,
        https://arxiv.org/abs/2006.11239
        Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models", ICML 2021,
        https://arxiv.org/abs/2102.09672 (cosine)

    Examples:
        >>> signal_shares("cosine", 4).round(3).tolist()
        [0.847, 0.494, 0.144, 0.0]
        >>> bool(signal_shares("linear", 100)[-1] < 1e-4)
        True
    """
    one_of(get_args(Schedule), schedule=schedule)
    at_least(1, steps=steps)
    if schedule == "linear":
        betas = np.linspace(_LEAST, _MOST, steps) * _STEPS / steps
    else:
        places = np.arange(steps + 1) / steps
        left = np.cos((places + _OFFSET) / (1 + _OFFSET) * np.pi / 2) ** 2
        betas = 1 - left[1:] / left[:-1]
    return np.cumprod(1 - np.minimum(betas, _LARGEST))
