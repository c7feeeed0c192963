"""The boosted trees of controls that never see a model: small, and on one thread."""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np


def boosted_trees(examples: int) -> Any:
    """An unfitted classifier, for a number of training examples."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=40,
        max_leaf_nodes=16,
        min_samples_leaf=int(np.clip(examples // 20, 3, 20)),
        early_stopping=False,
        random_state=0,
    )


def on_one_thread() -> AbstractContextManager[Any]:
    """Keeps trees on one thread while they learn and answer.

    Several wait for each other without letting go of their cores. Where another process has one of
    the cores, what takes seconds then takes a quarter of an hour.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="openmp")
    return limits
