"""Membership from a client's update: does it point along an example's negative gradient?"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pptp_jax.validation import Refused, one_of


def update_alignment(
    updates: Float[Array | np.ndarray, "... numbers"],
    gradients: Float[Array | np.ndarray, "... candidates numbers"],
    match: Literal["cosine", "product"] = "cosine",
) -> Float[Array, "... candidates"]:
    r"""The alignment of an update with each candidate's negative gradient: −cos(Δ, g) or −⟨Δ, g⟩.

    A step of descent on a candidate moves the weights along −g, so a larger number means "more
    likely a member". A candidate is an example, with its own gradient; or a client, with the mean
    gradient of its examples. The update is that of a client, as a curious server sees it, or the
    mean over clients, which secure aggregation lets through. The numbers are those of a region or
    of all of them.

    It is a signal like any other: with shadow updates, whose members the attacker knows, LiRA works
    on it (`attack_targets(ATTACKS["lira_online"], alignments, membership, targets)`). Ours, in the
    spirit of gradient-alignment attacks; without shadows it is a lower bound.

    Args:
        updates: Δ.
        gradients: g, at the network with which the round began.
        match: whether lengths count.

    Raises:
        Refused: if the shapes disagree.

    Examples:
        >>> update = np.array([-1.0, 0.0])
        >>> gradients = np.array([[2.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        >>> print(update_alignment(update, gradients))
        [ 1. -0. -1.]
    """
    one_of(("cosine", "product"), match=match)
    sent, own = jnp.asarray(updates), jnp.asarray(gradients)
    if own.ndim != sent.ndim + 1 or own.shape[:-2] + own.shape[-1:] != sent.shape:
        raise Refused(
            "updates (..., numbers) need gradients (..., candidates, numbers), got the shapes "
            f"{sent.shape} and {own.shape}"
        )
    if match == "cosine":
        sent, own = _direction(sent), _direction(own)
    return -(own @ sent[..., None])[..., 0]


def _direction(vectors: Float[Array, "... numbers"]) -> Float[Array, "... numbers"]:
    """Vectors of length 1; zeros stay, and the squares of small gradients do not vanish."""
    largest = jnp.abs(vectors).max(axis=-1, keepdims=True, initial=0.0)
    scaled = vectors / jnp.where(largest == 0, 1, largest)
    return scaled / jnp.maximum(jnp.linalg.norm(scaled, axis=-1, keepdims=True), 1)
