"""The loss in AUC of the combined attacks if one of them is left out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.data.boosted_trees import on_one_thread
from pptp_jax.metrics import Bootstrap, Drawn, Estimate, bootstrap_metrics, combine
from pptp_jax.validation import Refused, one_of


def left_out(
    scores: Mapping[str, Float[np.ndarray, "targets examples"]],
    membership: Bool[np.ndarray, "targets examples"],
    *,
    attacks: Sequence[str] | None = None,
    classifier: Callable[[int], Any] | None = None,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, dict[str, Estimate]]:
    """The loss of `pptp_jax.metrics.combine` without each attack in turn, fitted again.

    A share in the combination is not this loss: of two attacks that say the same each has half of
    the share, and neither is missed.

    Args:
        scores: those of each attack, of at least two.
        membership: who is a member of which target.
        attacks: which are left out in turn; None for each.
        classifier: as `combine` takes it.
        resamples: the number of bootstrap resamples of targets and examples, the same for all. No
            combiner is fitted again in a resample.
        seed: what the bootstrap, and the parts of the examples, depend on.

    Returns:
        By attack, what is lost of `auc` and, where the sample resolves it, of `tpr@0.01`: with it
        less without it. Below 0 where the combination is better without.

    Raises:
        ValueError: if there is one attack alone, or as `combine` does.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> membership = rng.random((6, 300)) < 0.5
        >>> own = {name: rng.normal(size=(6, 300)) + membership for name in ("a", "b")}
        >>> found = left_out(own | {"a again": own["a"]}, membership, resamples=50)
        >>> abs(found["a"]["auc"].value) < 0.005, found["b"]["auc"].low > 0.03
        (True, True)
    """
    one_by_one = tuple(scores) if attacks is None else tuple(attacks)
    for name in one_by_one:
        one_of(scores, attack=name)
    if len(scores) < 2:
        raise Refused(f"one attack is left out of at least two, got {len(scores)}")
    resampling = Bootstrap(len(membership), membership.shape[1], resamples, seed)

    def drawn(names: tuple[str, ...]) -> dict[str, Drawn]:
        own = {name: scores[name] for name in names}
        with nullcontext() if classifier is None else on_one_thread():
            found = combine(own, membership, classifier=classifier, seed=seed)
        targets = np.arange(len(membership))
        return bootstrap_metrics(found.probability, membership, resampling, targets, fprs=(0.01,))

    every = drawn(tuple(scores))
    lost: dict[str, dict[str, Estimate]] = {}
    for name in one_by_one:
        rest = drawn(tuple(other for other in scores if other != name))
        lost[name] = {
            metric: (every[metric] - rest[metric]).estimate()
            for metric in ("auc", "tpr@0.01")
            if metric in every
        }
    return lost
