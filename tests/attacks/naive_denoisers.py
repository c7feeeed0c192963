"""Attacks on denoisers once more: every pair of a member and a non-member is compared."""

import numpy as np


def at_best_timestep(values, made, target):
    """Minus the values at the timestep whose ROC curves of the shadows have the largest areas."""
    quality = []
    for t in range(values.shape[1]):
        areas = []
        for m in np.delete(np.arange(len(values)), target):
            inside = values[m, t][made.membership[m]]
            outside = values[m, t][~made.membership[m]]
            if not len(inside) or not len(outside):
                continue
            below = inside[:, None] < outside[None]
            same = inside[:, None] == outside[None]
            areas.append((below + same / 2).mean())
        quality.append(np.mean(areas))
    return -values[target, np.argmax(quality)]


def denoising_loss(made, target):
    return at_best_timestep(made.timesteps()["denoising_error"].mean(1), made, target)


def secmi(made, target):
    return at_best_timestep(made.timesteps()["secmi_error"], made, target)


def pia(made, target):
    return at_best_timestep(made.timesteps()["pia_error"], made, target)


def pian(made, target):
    return at_best_timestep(made.timesteps()["pian_error"], made, target)


def sima(made, target):
    return at_best_timestep(made.timesteps()["sima_norm"], made, target)
