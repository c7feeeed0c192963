"""The margin of a linear probe on a block's features: a white-box signal."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.tasks import Signal
from pptp_jax.validation import Refused, positive


def feature_margins(
    model: Model,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    ridge: float | Float[Array, ""] = 0.01,
) -> Float[Array, "models blocks rows"]:
    """The leave-one-out margin for an example's label of a linear probe on a block's features.

    The probe is a ridge regression of the one-hot labels on the features of all other examples, so
    that nothing but the features can know an example: where a block has memorised a member,
    a probe that never saw it separates it more clearly than it does a non-member. The attacker
    needs the weights and the candidates with their labels, and no membership.

    Args:
        model: the model, which lets its features be seen.
        fleet: the variables of some models, stacked.
        data: the examples.
        rows: the candidates.
        ridge: λ, as a share of the mean eigenvalue of the features' Gram matrix.

    Returns:
        The probe's output for the label less its largest other output.

    Raises:
        ValueError: if the model has no `features`, or the ridge is not above 0.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> digits, model = Arrays.of(Digits().load()), mlp([8], num_classes=10)
        >>> fleet = jax.vmap(model.init, in_axes=(0, None))(
        ...     jax.random.split(jax.random.key(0), 3), digits.inputs(slice(0, 1))
        ... )
        >>> feature_margins(model, fleet, digits, jnp.arange(100)).shape
        (3, 2, 100)
    """
    if model.features is None:
        raise Refused("this model does not let its features be seen: give Model(..., features=)")
    positive(ridge=ridge)
    return _margins(model, fleet, data, rows, ridge)


@jax.jit
@full_float32
def _margins(
    model: Model,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    ridge: float | Float[Array, ""],
) -> Float[Array, "models blocks rows"]:
    assert model.features is not None
    see = model.features
    x, labels = data.inputs(rows), data.y[rows]
    classes = jax.eval_shape(
        lambda own: model.apply(*own, x, train=False, key=None)[0],
        jax.tree.map(lambda leaf: leaf[0], fleet),
    ).shape[-1]
    own_class = jax.nn.one_hot(labels, classes)

    def margins(features: Float[Array, "rows *shape"]) -> Float[Array, " rows"]:
        found = _left_out(features.reshape(len(rows), -1), own_class, ridge)
        others = jnp.where(own_class > 0, -jnp.inf, found).max(axis=1)
        return (found * own_class).sum(axis=1) - others

    def of_model(own: Variables) -> Float[Array, "blocks rows"]:
        return jnp.stack([margins(features) for features in see(*own, x)])

    return jax.lax.map(of_model, fleet)


def _left_out(
    features: Float[Array, "rows width"],
    targets: Float[Array, "rows classes"],
    ridge: float | Float[Array, ""],
) -> Float[Array, "rows classes"]:
    """The leave-one-out predictions of a ridge regression.

    In closed form: leaving an example out divides its residual by 1 − h, where h is its own weight
    in its fit. Centring is by all examples.
    """
    rows, width = features.shape
    centred = features - features.mean(axis=0, keepdims=True)
    aim = targets - targets.mean(axis=0, keepdims=True)
    # The smaller of the two Gram matrices.
    wide = width > rows
    gram = centred @ centred.T if wide else centred.T @ centred
    penalty = ridge * jnp.square(centred).sum() / width + jnp.finfo(features.dtype).tiny
    solver = jax.scipy.linalg.cho_factor(gram + penalty * jnp.eye(len(gram)))
    if wide:
        inverse = jax.scipy.linalg.cho_solve(solver, jnp.eye(rows))
        residual, spare = penalty * (inverse @ aim), penalty * jnp.diag(inverse)
    else:
        weights = jax.scipy.linalg.cho_solve(solver, centred.T)
        residual = aim - centred @ (weights @ aim)
        spare = 1 - jnp.einsum("rw,wr->r", centred, weights)
    return targets - residual / spare[:, None]


FEATURE_MARGINS = Signal(
    name="feature_margins",
    axes=("models", "blocks", "examples"),
    access="white-box",
    take=lambda request: feature_margins(request.model, request.fleet, request.data, request.rows),
)
