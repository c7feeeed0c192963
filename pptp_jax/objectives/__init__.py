"""Objectives: losses on (logits, labels), one a file, all with one signature."""

from pptp_jax.objectives.cross_entropy import CrossEntropy
from pptp_jax.objectives.objective import PLAIN, Context, Objective, Reference
from pptp_jax.objectives.relaxloss import RelaxLoss

__all__ = ["PLAIN", "Context", "CrossEntropy", "Objective", "Reference", "RelaxLoss"]
