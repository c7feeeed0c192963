"""Tasks, such as classification: losses, outputs and signals of a kind of model."""

from pptp_jax.tasks.adversarial import Adversarial
from pptp_jax.tasks.adversarial_outputs import Drawn, Shown, Verdict
from pptp_jax.tasks.batch import Batch
from pptp_jax.tasks.binary import Binary, MultiLabel
from pptp_jax.tasks.classification import Classification, logit_scaled_confidence
from pptp_jax.tasks.denoiser import Denoising, Noisy
from pptp_jax.tasks.language import Language
from pptp_jax.tasks.ordinal import Ordinal
from pptp_jax.tasks.regression import Regression
from pptp_jax.tasks.signal import Signal
from pptp_jax.tasks.task import Task

# Those that need no argument; the contract test trains each of them.
TASKS: tuple[Task, ...] = (
    Classification(),
    Adversarial(),
    Binary(),
    Denoising(),
    Language(),
    MultiLabel(),
    Ordinal(),
    Regression(),
)

__all__ = [
    "TASKS",
    "Adversarial",
    "Batch",
    "Binary",
    "Classification",
    "Denoising",
    "Drawn",
    "Language",
    "MultiLabel",
    "Noisy",
    "Ordinal",
    "Regression",
    "Shown",
    "Signal",
    "Task",
    "Verdict",
    "logit_scaled_confidence",
]
