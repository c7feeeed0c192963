"""All bounds on ε from the same scores, ours beside those of jax_privacy."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Real

from pptp_jax.audit.jax_privacy_auditor import jax_privacy_auditor
from pptp_jax.audit.many_runs import epsilon_in_many_runs
from pptp_jax.audit.one_run import epsilon_in_one_run
from pptp_jax.validation import Refused

ONE_RUN = "canaries of one run"
INDEPENDENT = "scores independent of one another"


class BoundPair(NamedTuple):
    """The bounds on ε from below of one kind.

    Attributes:
        kind: what is bounded, and from what.
        supposes: what has to be true of the scores.
        ours: the bound of this library.
        theirs: that of jax_privacy; None if it is not installed.
    """

    kind: str
    supposes: str
    ours: float
    theirs: float | None


def compare_bounds(
    scores: Real[np.ndarray, " canaries"],
    membership: Bool[np.ndarray, " canaries"],
    *,
    delta: float,
    confidence: float = 0.95,
) -> list[BoundPair]:
    """The bounds of one run and of independent runs, for any training and for a Gaussian mechanism.

    At a threshold that is given, ours and jax_privacy's agree. Here each chooses its own. Ours
    guesses "in" and "out" on fixed shares of the canaries, or goes by fixed ranks of the scores,
    and divides the significance by their number. jax_privacy guesses "in" alone, and divides by the
    number of thresholds on the convex hull of the ROC, which it reads off the same scores.

    The last bound of jax_privacy 2.0 (`epsilon_from_gdp`) takes the absolute value of μ, so that
    **scores that tell nothing get a bound above 0**. Do not report it of a weak attack.

    Args:
        scores: one a canary; a larger one means "more likely a member".
        membership: which canaries were in, each by a fair coin of its own.
        delta: δ, above 0.
        confidence: of each bound alone.

    Raises:
        ValueError: if scores and membership do not fit, or δ is 0.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> inside = rng.random(1000) < 0.5
        >>> for pair in compare_bounds(rng.normal(size=1000) + inside, inside, delta=1e-4):
        ...     print(pair.kind, "|", round(pair.ours, 1))
        one run | 1.3
        one run, Gaussian | 2.0
        rates | 1.2
        rates, Gaussian | 2.4
    """
    if delta == 0:
        raise Refused("a Gaussian mechanism has no ε at delta 0: give a delta above 0")
    level: dict[str, Any] = {"delta": delta, "confidence": confidence}
    theirs = _theirs(scores, membership, delta, 1 - confidence)
    return [
        BoundPair(
            "one run", ONE_RUN, epsilon_in_one_run(scores, membership, **level).epsilon, theirs[0]
        ),
        BoundPair(
            "one run, Gaussian",
            ONE_RUN,
            epsilon_in_one_run(scores, membership, **level, mechanism="gaussian").epsilon,
            theirs[1],
        ),
        BoundPair(
            "rates",
            INDEPENDENT,
            epsilon_in_many_runs(scores, membership, **level, threshold="ranks").epsilon,
            theirs[2],
        ),
        BoundPair(
            "rates, Gaussian",
            INDEPENDENT,
            epsilon_in_many_runs(
                scores, membership, **level, threshold="ranks", mechanism="gaussian"
            ).epsilon,
            theirs[3],
        ),
    ]


def _theirs(
    scores: Real[np.ndarray, " canaries"],
    membership: Bool[np.ndarray, " canaries"],
    delta: float,
    significance: float,
) -> tuple[float | None, ...]:
    try:
        auditor = jax_privacy_auditor(scores, membership)
    except ImportError:
        return (None,) * 4
    return (
        float(auditor.epsilon_one_run(significance, delta)),
        float(auditor.epsilon_one_run_fdp(significance, delta)),
        float(auditor.epsilon_clopper_pearson(significance, delta)),
        float(auditor.epsilon_from_gdp(significance, delta)),
    )
