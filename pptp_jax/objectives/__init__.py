"""Objectives: losses on (logits, labels), one a file, all with one signature."""

from pptp_jax.objectives.adversarial_regularisation import AdversarialRegularisation
from pptp_jax.objectives.ccl import CCL
from pptp_jax.objectives.confidence_penalty import ConfidencePenalty
from pptp_jax.objectives.crl import CRL
from pptp_jax.objectives.distillation import Distillation
from pptp_jax.objectives.hamp import HAMP
from pptp_jax.objectives.label_smoothing import LabelSmoothing
from pptp_jax.objectives.mixup import Mixup
from pptp_jax.objectives.mixup_mmd import MixupMMD
from pptp_jax.objectives.objective import PLAIN, Context, Objective, Reference
from pptp_jax.objectives.relaxloss import RelaxLoss
from pptp_jax.objectives.task_loss import TaskLoss

__all__ = [
    "CCL",
    "CRL",
    "HAMP",
    "PLAIN",
    "AdversarialRegularisation",
    "ConfidencePenalty",
    "Context",
    "Distillation",
    "LabelSmoothing",
    "Mixup",
    "MixupMMD",
    "Objective",
    "Reference",
    "RelaxLoss",
    "TaskLoss",
]
