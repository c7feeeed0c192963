"""The norm of an example's input gradient."""

import jax
from jaxtyping import Array, Float, Int

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.signals.each_example import over_examples
from pptp_jax.signals.request import negative_log_prob
from pptp_jax.tasks import Signal
from pptp_jax.transforms.norms import scaled_norm


@jax.jit
@full_float32
def input_gradient_norm(
    model: Model, fleet: Variables, data: Arrays, rows: Int[Array, " rows"]
) -> Float[Array, "models rows"]:
    """‖∇_x ℓ(x, y)‖ of each example, in eval mode; x as the model sees it.

    Args:
        model: the model.
        fleet: the variables of some models, stacked.
        data: the examples.
        rows: the examples that are looked at.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from pptp_jax.data import Dataset
        >>> model = Model(
        ...     init=lambda key, x: Variables({"w": jnp.array([[0.0, 3.0]])}, {}),
        ...     apply=lambda p, state, x, *, train, key: (x @ p["w"], state),
        ... )
        >>> data = Arrays.of(Dataset("one", np.zeros((1, 1)), np.array([0]), np.arange(1), 2))
        >>> fleet = jax.tree.map(lambda leaf: leaf[None], model.init(None, None))
        >>> print(input_gradient_norm(model, fleet, data, jnp.array([0])))
        [[1.5]]
    """

    def of_example(own: Variables, row: Int[Array, ""]) -> Float[Array, ""]:
        def loss(x: Float[Array, "..."]) -> Float[Array, ""]:
            return negative_log_prob(model, own, x, data.targets(row))

        return scaled_norm([jax.grad(loss)(data.inputs(row))]).value

    return over_examples(of_example, fleet, rows, at_once=256)


INPUT_GRADIENT_NORM = Signal(
    name="input_gradient_norm",
    axes=("models", "examples"),
    access="white-box",
    take=lambda request: input_gradient_norm(
        request.model, request.fleet, request.data, request.rows
    ),
)
