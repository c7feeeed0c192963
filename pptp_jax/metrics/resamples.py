"""The resamples behind every interval: models and examples drawn independently of each other."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from pptp_jax.validation import at_least


class Bootstrap(NamedTuple):
    """The settings of bootstrap resamples: equal settings draw the same models and examples.

    A weight belongs to a model's number, not to its place in a matrix: matrices that lack some
    models (those that diverged, say) still stand on the same resamples as those that have them.

    Attributes:
        models: how many models there are, those that a matrix leaves out included.
        examples: how many examples there are.
        resamples: how often as many models and as many examples are drawn with replacement.
        seed: what the draws depend on.

    References:
        Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007: resampling both
        sides of a matrix errs on the side of wider intervals.

    Examples:
        >>> by_model, by_example = Bootstrap(models=4, examples=9, resamples=2, seed=0).weights()
        >>> by_model.shape, by_example.shape
        ((2, 4), (2, 9))
        >>> print(by_model.sum(axis=1), by_example.sum(axis=1))
        [4 4] [9 9]
    """

    models: int
    examples: int
    resamples: int = 500
    seed: int = 0

    def weights(
        self,
    ) -> tuple[Int[np.ndarray, "resamples models"], Int[np.ndarray, "resamples examples"]]:
        """How often each model and each example is drawn."""
        at_least(1, resamples=self.resamples)
        return _drawn(self)


@lru_cache(maxsize=1)
def _drawn(resampling: Bootstrap) -> tuple[np.ndarray, np.ndarray]:
    """Cached: attacks and recipes share the same resamples."""
    rng = np.random.default_rng(resampling.seed)
    by_model, by_example = (
        rng.multinomial(size, np.full(size, 1 / size), size=resampling.resamples)
        for size in (resampling.models, resampling.examples)
    )
    return by_model, by_example
