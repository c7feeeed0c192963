"""The curvature of the loss at an example: the largest eigenvalues of its input Hessian."""

from math import prod

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pptp_jax.robustness.arguments import check_examples
from pptp_jax.robustness.gradient import Predict, as_float32
from pptp_jax.tasks import logit_scaled_confidence
from pptp_jax.validation import Refused, at_least

# A new direction that is shorter than this share of the product it comes from is rounding.
TINY = 1e-4


def input_curvature(
    predict: Predict,
    x: Float[Array, "batch ..."],
    labels: Int[Array, " batch"],
    key: Key[Array, ""],
    *,
    count: int = 1,
    products: int | None = None,
) -> Float[Array, "batch count"]:
    """The largest eigenvalues of the Hessian of each example's cross-entropy in its input.

    Lanczos with full reorthogonalisation: products of the Hessian with vectors, each the derivative
    of a gradient along a direction, span a space in which the eigenvalues are taken (Rayleigh and
    Ritz). They never exceed the true ones, and are exact if there are as many products as inputs.

    The Hessian of a network that is sure of itself vanishes with its loss. **A small curvature may
    mean a large margin, or a loss that has gone flat**; see `masking_warnings`.

    Args:
        predict: the logits of a batch, each by its own input alone.
        x: the inputs.
        labels: their labels.
        key: what the first direction is drawn from, the same for all examples.
        count: how many eigenvalues, the largest first.
        products: how many products; None is 2 · count + 10, or as many as there are inputs if that
            is fewer.

    Raises:
        ValueError: if there are fewer inputs or products than eigenvalues, inputs or logits are no
            numbers, or a label is no class. Within `jax.jit` they cannot be looked at: of NaN the
            eigenvalues are NaN.

    References:
        Moosavi-Dezfooli et al., "Robustness via curvature regularization, and vice versa", CVPR
        2019, https://arxiv.org/abs/1811.09716 (the curvature profile)

    Examples:
        >>> weights = jnp.array([[1.0, 0.0], [0.0, 0.0]])
        >>> found = input_curvature(
        ...     lambda x: x @ weights, jnp.zeros((1, 2)), jnp.array([0]), jax.random.key(0), count=2
        ... )
        >>> print(found.round(4))
        [[0.25 0.  ]]
    """
    x = as_float32(x)
    size = prod(x.shape[1:])
    several = min(2 * count + 10 if products is None else products, size)
    at_least(1, count=count)
    if count > several:
        raise Refused(
            f"count must be at most the number of products and of inputs ({several}), got {count}"
        )
    check_examples(predict, x, labels)

    def of_example(x: Float[Array, "*input"], label: Int[Array, ""]) -> Float[Array, " count"]:
        def loss(flat: Float[Array, " size"]) -> Float[Array, ""]:
            logits = predict(flat.reshape(x.shape)[None])[0].astype(jnp.float32)
            return jax.nn.softplus(-logit_scaled_confidence(logits, label))

        def product(along: Float[Array, " size"]) -> Float[Array, " size"]:
            return jax.jvp(jax.grad(loss), (x.ravel(),), (along,))[1]

        def grown(
            state: tuple[Array, Array], drawn: Float[Array, " size"]
        ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
            """One direction more, orthogonal to those before."""
            basis, proposed = state
            length = jnp.linalg.norm(proposed)
            new = _outside(basis, proposed / jnp.maximum(length, 1e-30))
            # What is left of a space that the products do not leave is rounding: begin elsewhere.
            new = jnp.where(jnp.linalg.norm(new) > TINY, new, _outside(basis, drawn))
            new = new / jnp.linalg.norm(new)
            new = _outside(basis, new)
            new = new / jnp.linalg.norm(new)
            image = product(new)
            basis = jnp.concatenate([basis[1:], new[None]])
            return (basis, image), (new, image)

        draws = jax.random.normal(key, (several, size))
        draws = draws / jnp.linalg.norm(draws, axis=1, keepdims=True)
        start = jnp.zeros((several, size)), draws[0]
        _, (basis, images) = jax.lax.scan(grown, start, draws)
        inside = basis @ images.T
        return jnp.linalg.eigvalsh((inside + inside.T) / 2)[::-1][:count]

    return jax.vmap(of_example)(x, labels)


def _outside(
    basis: Float[Array, "count size"], vector: Float[Array, " size"]
) -> Float[Array, " size"]:
    """The part of a vector that is orthogonal to a basis."""
    return vector - basis.T @ (basis @ vector)
