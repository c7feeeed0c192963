"""Training: a recipe's phases as pure functions, for one model or a fleet of them."""

from pptp_jax.training.arrays import Arrays
from pptp_jax.training.checkpoint import Checkpoint
from pptp_jax.training.fleet import Progress, Trained, train_fleet
from pptp_jax.training.grouping import chunks, fitting_chunk
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
from pptp_jax.training.train import Metrics, Optimizer, Trainer, check_members, make_train

__all__ = [
    "SGD",
    "Arrays",
    "Checkpoint",
    "Metrics",
    "Optimizer",
    "Phase",
    "Progress",
    "Recipe",
    "Trained",
    "Trainer",
    "check_members",
    "chunks",
    "early_stopped",
    "fitting_chunk",
    "freeze",
    "make_train",
    "rewind",
    "split",
    "train_fleet",
    "undefended",
    "whole_network",
]
