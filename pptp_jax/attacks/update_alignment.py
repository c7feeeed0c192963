"""Membership from what a client sends: does the update point where an example would push it?"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from pptp_jax.validation import Refused, one_of


def update_alignment(
    updates: Float[np.ndarray, "... numbers"],
    gradients: Float[np.ndarray, "... candidates numbers"],
    match: Literal["cosine", "product"] = "cosine",
) -> Float[np.ndarray, "... candidates"]:
    r"""How much an update lies against the gradient of each candidate: −cos(Δ, g), or −⟨Δ, g⟩.

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
    sent, own = np.asarray(updates, float), np.asarray(gradients, float)
    if own.ndim != sent.ndim + 1 or own.shape[:-2] + own.shape[-1:] != sent.shape:
        raise Refused(
            "updates (..., numbers) need gradients (..., candidates, numbers), got the shapes "
            f"{sent.shape} and {own.shape}"
        )
    products = -np.einsum("...n,...cn->...c", sent, own)
    if match == "product":
        return products
    lengths = np.linalg.norm(sent, axis=-1)[..., None] * np.linalg.norm(own, axis=-1)
    return np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
