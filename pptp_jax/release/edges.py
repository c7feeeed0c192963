"""Edges of a graph under randomised response, where each node has a budget of its own."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from pptp_jax.validation import Refused


def flip_edges(
    adjacency: Float[Array, "layers nodes nodes"],
    epsilons: Float[Array, " nodes"],
    key: Key[Array, ""],
) -> Float[Array, "layers nodes nodes"]:
    r"""Publishes a graph of several layers, each possible edge flipped at random.

    Node i has a fidelity \(f_i = \tanh(\varepsilon_i / 2)\). Each end of a pair flips its bit with
    probability \((1 - f_i) / 2\), so that both together leave it with probability
    \((1 + f_i f_j) / 2\), in each layer independently. Nodes of infinite budget give privacy up: a
    pair of two such nodes is published as it is.

    Args:
        adjacency: symmetric matrices of 0 and 1; the diagonal is ignored.
        epsilons: ε of each node: the most that any edge of it is exposed, see `edge_epsilon`.
        key: of the coins. It must not be that of `block_model`, which would flip its very edges.

    Returns:
        Symmetric matrices of 0 and 1 without a diagonal.

    Raises:
        ValueError: if shapes disagree, a matrix is not symmetric or holds other numbers, or a
            budget is negative.

    References:
        Zhen, Xu and Wang, "Consistent community detection in multi-layer networks with
        heterogeneous differential privacy", 2024, https://arxiv.org/abs/2406.14772; that both ends
        flip independently is our reconstruction

    Examples:
        >>> pair = jnp.array([[[0.0, 1.0], [1.0, 0.0]]])
        >>> print(flip_edges(pair, jnp.full(2, jnp.inf), jax.random.key(0)))
        [[[0. 1.]
          [1. 0.]]]
    """
    _check_adjacency(adjacency, epsilons)
    # A coin of float32 falls below a small number too often, never too seldom: ε is kept.
    coins = jax.random.uniform(key, adjacency.shape)
    flipped = jnp.where(coins < _losses(epsilons)[None] / 2, 1 - adjacency, adjacency)
    upper = jnp.triu(flipped, 1)
    return upper + upper.swapaxes(1, 2)


def edge_epsilon(epsilons: Float[Array, " nodes"]) -> Float[Array, "nodes nodes"]:
    r"""ε of each pair's bit in one layer, \(\log \frac{1 + f_i f_j}{1 - f_i f_j}\).

    It is at most the smaller budget of the two. L layers that hold the same bit compose to L ε.

    Args:
        epsilons: of the nodes.

    Raises:
        ValueError: if a budget is negative.

    Examples:
        >>> each = edge_epsilon(jnp.array([1.0, jnp.inf]))
        >>> [round(float(epsilon), 2) for epsilon in each.ravel()]
        [0.43, 1.0, 1.0, inf]
    """
    lost, low = _losses(epsilons), jnp.minimum(_fidelities(epsilons), 0.5)
    return jnp.where(low < 0.5, 2 * jnp.arctanh(low), jnp.log(2 - lost) - jnp.log(lost))


def edge_advantage(epsilons: Float[Array, " nodes"]) -> Float[Array, "nodes nodes"]:
    r"""The advantage of the best attacker on the bit of a pair in one layer, \(f_i f_j\).

    That is by how much its true positives exceed its false ones, if nothing else is known of the
    pair; it claims an edge where one is published. What the other edges say of the pair, by way of
    communities, is not in it.

    Args:
        epsilons: of the nodes.

    Raises:
        ValueError: if a budget is negative.

    Examples:
        >>> each = edge_advantage(jnp.array([1.0, jnp.inf]))
        >>> [round(float(advantage), 2) for advantage in each.ravel()]
        [0.21, 0.46, 0.46, 1.0]
    """
    return _fidelities(epsilons)


def debias_edges(
    flipped: Float[Array, "layers nodes nodes"], epsilons: Float[Array, " nodes"]
) -> Float[Array, "layers nodes nodes"]:
    r"""Subtracts what the coins add on average: \(\tilde A_{ij} - (1 - f_i f_j) / 2\).

    Its expectation is \(f_i f_j A_{ij}\). If A comes from a degree-corrected block model, that is
    one again, with degrees \(d_i f_i\): communities stay what they are. So nothing is divided.

    Args:
        flipped: what `flip_edges` published.
        epsilons: the budgets, which are public.

    Raises:
        ValueError: if shapes disagree or a budget is negative.

    Examples:
        >>> graph = jnp.array([[[0.0, 1.0], [1.0, 0.0]]])
        >>> abs(debias_edges(graph, jnp.zeros(2))).tolist()
        [[[0.0, 0.5], [0.5, 0.0]]]
    """
    _check_shape(flipped, epsilons)
    lost = _losses(epsilons)
    off = 1 - jnp.eye(len(lost))
    return (flipped - lost[None] / 2) * off[None]


def _fidelities(epsilons: Float[Array, " nodes"]) -> Float[Array, "nodes nodes"]:
    _check_budgets(epsilons)
    own = jnp.tanh(epsilons / 2)
    return own[:, None] * own[None]


def _losses(epsilons: Float[Array, " nodes"]) -> Float[Array, "nodes nodes"]:
    """1 − f_i f_j, also where the fidelities themselves round to 1."""
    _check_budgets(epsilons)
    own = 2 * jax.nn.sigmoid(-epsilons)
    return own[:, None] + own[None] - own[:, None] * own[None]


def _check_budgets(epsilons: Array) -> None:
    if not isinstance(epsilons, jax.core.Tracer) and not (np.asarray(epsilons) >= 0).all():
        raise Refused("budgets must be numbers of at least 0, and may be infinite")


def _check_shape(adjacency: Array, epsilons: Array) -> None:
    nodes = len(epsilons)
    if adjacency.ndim != 3 or adjacency.shape[1:] != (nodes, nodes):
        raise Refused(
            f"a graph of {nodes} budgets needs shape (layers, {nodes}, {nodes}), got "
            f"{adjacency.shape}"
        )


def _check_adjacency(adjacency: Bool[Array, "..."] | Float[Array, "..."], epsilons: Array) -> None:
    _check_shape(adjacency, epsilons)
    if isinstance(adjacency, jax.core.Tracer):
        return
    held = np.asarray(adjacency)
    if not np.isin(held, (0, 1)).all():
        raise Refused("an adjacency matrix must hold 0 and 1 alone; make layers of weights")
    if (held != held.swapaxes(1, 2)).any():
        raise Refused("an adjacency matrix must be symmetric: edges have no direction here")
