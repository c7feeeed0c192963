"""The bridge to the auditor of jax_privacy."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Real

from pptp_jax.audit.bound import check_canaries

if TYPE_CHECKING:
    from jax_privacy.auditing import CanaryScoreAuditor


def jax_privacy_auditor(
    scores: Real[np.ndarray, " canaries"], membership: Bool[np.ndarray, " canaries"]
) -> "CanaryScoreAuditor":
    """Hands the canaries' scores to the auditor of jax_privacy.

    At a threshold that is given, its `epsilon_clopper_pearson` and `epsilon_one_run` are ours.
    Where it chooses one, it divides the significance by the number of thresholds on the convex hull
    of the ROC, which it reads off the same scores; ours are divided by a number fixed beforehand,
    or chosen on other runs.

    Args:
        scores: one a canary, or one a run of a single canary.
        membership: which were in.

    Raises:
        ImportError: if jax_privacy is not installed.
        ValueError: if scores and membership do not fit.

    References:
        https://jax-privacy.readthedocs.io

    Examples:
        >>> scores, membership = np.arange(8.0), np.arange(8) >= 4
        >>> print(jax_privacy_auditor(scores, membership).attack_auroc())
        1.0
    """
    check_canaries(scores, membership)
    try:
        from jax_privacy.auditing import CanaryScoreAuditor
    except ImportError as error:
        raise ImportError(
            "this auditor is jax-privacy's, which is not installed: "
            'python -m pip install "pptp-jax[audit]"'
        ) from error
    return CanaryScoreAuditor(scores[membership], scores[~membership])
