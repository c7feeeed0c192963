"""Training: a recipe's phases as pure functions, for one model or a fleet of them."""

from pptp_jax.training.annealed_recipes import annealed, averaged, forked, restored
from pptp_jax.training.autotune import Probe, fastest_strategy
from pptp_jax.training.averages import Average
from pptp_jax.training.batches import Poisson, Shuffled
from pptp_jax.training.beginnings import FromScratch, Restore, Rewind, RewindWeights
from pptp_jax.training.checkpoint import Checkpoint
from pptp_jax.training.checks import (
    check_members,
    check_model,
    check_optimizer,
    check_reference,
    check_streamed,
)
from pptp_jax.training.client_round import VIEWS, Round, federated_round, weighted
from pptp_jax.training.distilled_trajectory import distilled_signal, distilled_trajectory
from pptp_jax.training.execution import Branch, Execution, Progress
from pptp_jax.training.federation import Federated
from pptp_jax.training.fleet import Trained, train_fleet
from pptp_jax.training.gradient_rules import Perturbation, Perturbed, Plain, Private
from pptp_jax.training.loop_phases import LoopPhase
from pptp_jax.training.memory import chunks, fitting_chunk, needed_memory
from pptp_jax.training.optimizer import (
    DEFAULT_OPTIMIZER,
    SGD,
    AdamW,
    Optimizer,
    Scheduled,
    phase_optimizer,
)
from pptp_jax.training.phase import Phase
from pptp_jax.training.phase_equality import same_training
from pptp_jax.training.player_optimizer import Players
from pptp_jax.training.recipe import Recipe
from pptp_jax.training.recipes import (
    dmp,
    dp_sgd,
    early_stopped,
    federated,
    selena,
    switch,
    undefended,
    whole_network,
)
from pptp_jax.training.regional_recipes import (
    cwrf,
    decay,
    finish,
    freeze,
    freeze_in_turn,
    perturb,
    pretrained,
    rewind,
    split,
)
from pptp_jax.training.side_by_side import Ensemble, Fork
from pptp_jax.training.state import TrainState
from pptp_jax.training.strategy import Strategy, usual_strategy
from pptp_jax.training.stream_execution import StreamExecution, StreamProgress
from pptp_jax.training.stream_loop import train_streamed
from pptp_jax.training.surrogate_gan import surrogate_signal
from pptp_jax.training.train import Metrics, make_train
from pptp_jax.training.trainer import Trainer
from pptp_jax.training.transferred_labels import (
    surrogates,
    transferred_correct,
    transferred_signal,
)
from pptp_jax.training.weighted_recipes import weighted_decay, weighted_rates

__all__ = [
    "DEFAULT_OPTIMIZER",
    "SGD",
    "VIEWS",
    "AdamW",
    "Average",
    "Branch",
    "Checkpoint",
    "Ensemble",
    "Execution",
    "Federated",
    "Fork",
    "FromScratch",
    "LoopPhase",
    "Metrics",
    "Optimizer",
    "Perturbation",
    "Perturbed",
    "Phase",
    "Plain",
    "Players",
    "Poisson",
    "Private",
    "Probe",
    "Progress",
    "Recipe",
    "Restore",
    "Rewind",
    "RewindWeights",
    "Round",
    "Scheduled",
    "Shuffled",
    "Strategy",
    "StreamExecution",
    "StreamProgress",
    "TrainState",
    "Trained",
    "Trainer",
    "annealed",
    "averaged",
    "check_members",
    "check_model",
    "check_optimizer",
    "check_reference",
    "check_streamed",
    "chunks",
    "cwrf",
    "decay",
    "distilled_signal",
    "distilled_trajectory",
    "dmp",
    "dp_sgd",
    "early_stopped",
    "fastest_strategy",
    "federated",
    "federated_round",
    "finish",
    "fitting_chunk",
    "forked",
    "freeze",
    "freeze_in_turn",
    "make_train",
    "needed_memory",
    "perturb",
    "phase_optimizer",
    "pretrained",
    "restored",
    "rewind",
    "same_training",
    "selena",
    "split",
    "surrogate_signal",
    "surrogates",
    "switch",
    "train_fleet",
    "train_streamed",
    "transferred_correct",
    "transferred_signal",
    "undefended",
    "usual_strategy",
    "weighted",
    "weighted_decay",
    "weighted_rates",
    "whole_network",
]
