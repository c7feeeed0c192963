"""Kinds of models: what training, signals and attacks must know of each."""

from pptp_jax.tasks.batch import Batch
from pptp_jax.tasks.classification import Classification, logit_scaled_confidence
from pptp_jax.tasks.signal import Signal
from pptp_jax.tasks.task import Task

__all__ = ["Batch", "Classification", "Signal", "Task", "logit_scaled_confidence"]
