"""Attacks on generative models once more, one example at a time."""

import numpy as np


def calibrated(distances, made, target):
    found = np.zeros(distances.shape[1])
    for x in range(distances.shape[1]):
        others = [
            distances[model, x]
            for model in range(len(distances))
            if model != target and not made.membership[model, x]
        ]
        found[x] = np.mean(others) - distances[target, x]
    return found


def logan(made, target):
    return made.samples()["discriminator_score"][target].mean(0)


def logan_black_box(made, target):
    return made.samples()["surrogate_score"][target]


def gan_leaks(made, target):
    return -made.samples()["sample_distances"][target].min(0)


def gan_leaks_calibrated(made, target):
    return calibrated(made.samples()["sample_distances"].min(1), made, target)


def gan_leaks_latent(made, target):
    return -made.samples()["latent_distance"][target]


def gan_leaks_latent_calibrated(made, target):
    return calibrated(made.samples()["latent_distance"], made, target)


def monte_carlo(made, target):
    distances = made.samples()["sample_distances"][target]
    radius = np.median([min(column) for column in distances.T])
    return np.array([sum(d <= radius for d in column) / len(column) for column in distances.T])
