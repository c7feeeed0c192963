"""Communities of a multi-layer graph: block models, and spectral clustering."""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy.optimize import linear_sum_assignment

from pptp_jax.validation import Refused, at_least, one_of

METHODS = ("sum", "squares", "tensor")


def block_model(
    labels: Int[Array, " nodes"],
    degrees: Float[Array, " nodes"],
    connectivity: Float[Array, "layers communities communities"],
    key: Key[Array, ""],
) -> Float[Array, "layers nodes nodes"]:
    r"""A random graph of the multi-layer degree-corrected stochastic block model.

    Nodes i and j have an edge in layer l with probability \(d_i d_j S^{(l)}_{z_i z_j}\).

    Args:
        labels: z, the community of each node.
        degrees: d, how sociable each node is.
        connectivity: S of each layer, symmetric.
        key: of the edges.

    Returns:
        Symmetric matrices of 0 and 1 without a diagonal.

    Raises:
        ValueError: if a probability is not between 0 and 1, a label has no community, connectivity
            is not square, or shapes disagree.

    Examples:
        >>> labels = jnp.array([0, 0, 1])
        >>> print(block_model(labels, jnp.ones(3), jnp.eye(2)[None], jax.random.key(0))[0])
        [[0. 1. 0.]
         [1. 0. 0.]
         [0. 0. 0.]]
    """
    if labels.shape != degrees.shape:
        raise Refused(f"{labels.shape} labels and {degrees.shape} degrees disagree")
    if connectivity.ndim != 3 or connectivity.shape[1] != connectivity.shape[2]:
        raise Refused(
            f"connectivity needs shape (layers, communities, communities), got {connectivity.shape}"
        )
    _check_labels(labels, connectivity.shape[1])
    blocks = connectivity[:, labels][:, :, labels]
    probability = blocks * (degrees[:, None] * degrees[None])[None]
    if not isinstance(probability, jax.core.Tracer):
        held = np.asarray(probability)
        if not ((held >= 0) & (held <= 1)).all():
            raise Refused(
                "degrees and connectivity must give probabilities between 0 and 1, got "
                f"{held.min():.3g} to {held.max():.3g}"
            )
    edges = jax.random.bernoulli(key, probability).astype(jnp.float32)
    upper = jnp.triu(edges, 1)
    return upper + upper.swapaxes(1, 2)


@partial(jax.jit, static_argnums=(1, 3, 4))
def communities(
    adjacency: Float[Array, "layers nodes nodes"],
    count: int,
    key: Key[Array, ""],
    method: Literal["sum", "squares", "tensor"] = "tensor",
    rounds: int = 10,
) -> Int[Array, " nodes"]:
    r"""Finds communities that all layers share, by spectral clustering.

    `sum` takes the leading eigenvectors of \(\sum_l B_l\), and misses communities where layers
    cancel; `squares` those of \(\sum_l B_l^2\) without its diagonal; `tensor` begins there and
    iterates: U becomes the leading left singular vectors of \([B_1 U | \dots | B_L U]\) (HOOI,
    the higher-order orthogonal iteration). Rows of U are brought to length 1, which takes degrees
    out, and clustered by k-means.

    Args:
        adjacency: B: the graph, or the debiased one.
        count: how many communities.
        key: of the beginnings of k-means.
        method: `sum`, `squares` or `tensor`.
        rounds: of the iteration.

    Raises:
        ValueError: if the method is unknown, a number out of range, or this is no graph.

    References:
        Zhen, Xu and Wang, 2024, https://arxiv.org/abs/2406.14772, decompose a tensor; the
        beginning and k-means are our choice

    Examples:
        >>> labels = jnp.arange(60) % 2
        >>> graph = block_model(labels, jnp.ones(60), jnp.array([[[0.8, 0.2], [0.2, 0.8]]]),
        ...                     jax.random.key(0))
        >>> misclassification(communities(graph, 2, jax.random.key(1)), labels)
        0.0
    """
    one_of(METHODS, method=method)
    at_least(2, count=count)
    at_least(0, rounds=rounds)
    if adjacency.ndim != 3 or adjacency.shape[1] != adjacency.shape[2]:
        raise Refused(f"a graph needs shape (layers, nodes, nodes), got {adjacency.shape}")
    if not count <= adjacency.shape[-1]:
        raise Refused(f"{adjacency.shape[-1]} nodes cannot have {count} communities")
    if method == "sum":
        return _clusters(_leading(adjacency.sum(axis=0), count), count, key)
    squares = jnp.einsum("lij,ljk->ik", adjacency, adjacency)
    found = _leading(squares * (1 - jnp.eye(len(squares))), count)
    if method == "tensor":

        def improved(_: Array, basis: Array) -> Array:
            unfolded = jnp.einsum("lij,jk->ilk", adjacency, basis).reshape(len(basis), -1)
            return jnp.linalg.svd(unfolded, full_matrices=False)[0][:, :count]

        found = jax.lax.fori_loop(0, rounds, improved, found)
    return _clusters(found, count, key)


def misclassification(found: Int[Array, " nodes"], labels: Int[Array, " nodes"]) -> float:
    """The share of nodes in a wrong community, under the best naming of the communities found.

    Args:
        found: labels, from 0.
        labels: the true ones, from 0.

    Raises:
        ValueError: if there are not as many of both, there are none, or one is below 0.

    Examples:
        >>> misclassification(jnp.array([1, 1, 0, 0]), jnp.array([0, 0, 1, 0]))
        0.25
    """
    ours, true = np.asarray(found), np.asarray(labels)
    if ours.shape != true.shape or ours.ndim != 1:
        raise Refused(f"{ours.shape} labels cannot be compared with {true.shape}")
    if not len(ours):
        raise Refused("there must be at least one node, got no labels")
    _check_labels(ours)
    _check_labels(true)
    count = int(max(ours.max(), true.max())) + 1
    table = np.zeros((count, count), int)
    np.add.at(table, (ours, true), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(1 - table[rows, columns].sum() / len(ours))


def _check_labels(labels: Array | np.ndarray, count: int | None = None) -> None:
    if isinstance(labels, jax.core.Tracer) or not labels.size:
        return
    held = np.asarray(labels)
    if held.min() < 0 or (count is not None and held.max() >= count):
        most = "" if count is None else f" and below {count}, the number of communities"
        raise Refused(f"labels must be at least 0{most}, got {held.min()} to {held.max()}")


def _leading(matrix: Float[Array, "nodes nodes"], count: int) -> Float[Array, "nodes count"]:
    """Eigenvectors of the eigenvalues that are largest in absolute value."""
    values, vectors = jnp.linalg.eigh(matrix)
    return vectors[:, jnp.argsort(-jnp.abs(values))[:count]]


def _clusters(basis: Float[Array, "nodes dims"], count: int, key: Array) -> Int[Array, " nodes"]:
    """K-means on rows of length 1, the best of 10 beginnings by k-means++."""
    length = jnp.linalg.norm(basis, axis=1, keepdims=True)
    rows = basis / jnp.where(length > 0, length, 1)

    def distances(centres: Array) -> Array:
        return jnp.square(rows[:, None] - centres[None]).sum(axis=2)

    def beginning(key: Array) -> Array:
        first, *others = jax.random.split(key, count)
        centres = jnp.broadcast_to(
            rows[jax.random.randint(first, (), 0, len(rows))], (count, rows.shape[1])
        )
        for place, own in enumerate(others, 1):
            # Those that are not chosen yet repeat the first, and change no smallest distance.
            far = jnp.log(distances(centres).min(axis=1) + 1e-12)
            centres = centres.at[place].set(rows[jax.random.categorical(own, far)])
        return centres

    def moved(_: Array, centres: Array) -> Array:
        own = jax.nn.one_hot(distances(centres).argmin(axis=1), count)
        size = own.sum(axis=0)[:, None]
        return jnp.where(size > 0, own.T @ rows / jnp.maximum(size, 1), centres)

    def from_key(key: Array) -> tuple[Array, Array]:
        centres = jax.lax.fori_loop(0, 30, moved, beginning(key))
        apart = distances(centres)
        return apart.min(axis=1).sum(), apart.argmin(axis=1)

    costs, found = jax.vmap(from_key)(jax.random.split(key, 10))
    return found[costs.argmin()]
