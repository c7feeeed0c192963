"""Means over some of the (model, example) pairs."""

import numpy as np
from jaxtyping import Bool, Int, Shaped

from pptp_jax.metrics.bootstrap import Drawn
from pptp_jax.metrics.estimate import UNRESOLVED, Estimate
from pptp_jax.metrics.resamples import Bootstrap


def masked_mean(
    outcomes: Shaped[np.ndarray, "models examples"],
    chosen: Bool[np.ndarray, "models examples"],
    *,
    resamples: int = 500,
    seed: int = 0,
) -> Estimate:
    """The mean over chosen (model, example) pairs, such as an accuracy over non-members.

    Args:
        outcomes: one number or truth value a pair.
        chosen: the pairs that count.
        resamples: the number of bootstrap resamples of models and examples.
        seed: what the bootstrap depends on.

    Examples:
        >>> masked_mean(np.ones((2, 3)), np.ones((2, 3), bool))
        Estimate(value=1.0, low=1.0, high=1.0)
    """
    if not chosen.any():
        return UNRESOLVED
    models, examples = outcomes.shape
    resampling = Bootstrap(models, examples, resamples, seed)
    return bootstrap_mean(outcomes, chosen, resampling, np.arange(models)).estimate()


def bootstrap_mean(
    outcomes: Shaped[np.ndarray, "rows examples"],
    chosen: Bool[np.ndarray, "rows examples"],
    resampling: Bootstrap,
    models: Int[np.ndarray, " rows"],
) -> Drawn:
    """The mean over chosen (model, example) pairs, and in each resample.

    Args:
        outcomes: one number or truth value a pair.
        chosen: the pairs that count, at least one.
        resampling: the resamples.
        models: the number of the model that each row belongs to.

    Examples:
        >>> outcomes = np.array([[1, 0, 1]])
        >>> print(bootstrap_mean(outcomes, outcomes > 0, Bootstrap(4, 3, 9), np.array([2])).value)
        1.0
    """
    by_model, by_example = resampling.weights()
    by_row = by_model[:, models].astype(float)  # for a fast product

    def weighed(pairs: np.ndarray) -> np.ndarray:
        return np.einsum("re,re->r", by_row @ pairs.astype(float), by_example)

    total, count = weighed(np.where(chosen, outcomes, 0)), weighed(chosen)
    drawn = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return Drawn(float(outcomes[chosen].astype(float).mean()), drawn)
