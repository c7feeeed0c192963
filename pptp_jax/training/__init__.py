"""Training: a recipe's phases as pure functions, for one model or a fleet of them."""

from pptp_jax.training.arrays import Arrays

from pptp_jax.training.optimizer import SGD
from pptp_jax.training.recipe import Phase, Recipe
from pptp_jax.training.recipes import (
    early_stopped,
    freeze,
    rewind,
    split,
    undefended,
    whole_network,
)
from pptp_jax.training.train import Metrics, make_train

__all__ = [
    "SGD",
    "Arrays",
    "Metrics",
    "Phase",
    "Recipe",
    "early_stopped",
    "freeze",
    "make_train",
    "rewind",
    "split",
    "undefended",
    "whole_network",
]
