"""The plain loss of the task: cross-entropy where there are classes."""

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Array, Float

from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.pytree import pytree
from pptp_jax.tasks import Batch


@pytree
@dataclass(frozen=True)
class TaskLoss(Objective):
    """The mean over the batch of the task's own loss; −log p(label) in classification.

    Examples:
        >>> import jax.numpy as jnp
        >>> print(TaskLoss()(jnp.zeros((1, 2)), jnp.array([0])))
        0.6931472
    """

    name: ClassVar[str] = "task_loss"
    needs_classes: ClassVar[bool] = False

    def __call__(self, outputs: Any, targets: Any, context: Context = PLAIN, /) -> Float[Array, ""]:
        """The loss of one batch; the same in every epoch."""
        return context.task.losses(outputs, Batch(None, targets)).mean()
