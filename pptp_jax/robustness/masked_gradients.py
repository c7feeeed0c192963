"""Detect gradient masking: gradients that mislead attacks."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.metrics import masked_mean
from pptp_jax.robustness.settings import Trial

Pairs = Float[np.ndarray, "models examples"]

MISLED = ": gradients mislead the attacks here, so that the network is less robust than it looks"
MISSED = ": PGD misses them, so that the network is less robust than it looks"

# The share of the labels that PGD leaves that may lie near the boundary without a warning: the two
# searches differ by chance.
NEAR = 0.01


def masking_warnings(
    right: Mapping[Trial, Pairs],
    chosen: Bool[np.ndarray, "models examples"],
    distances: Mapping[str, Pairs] | None = None,
    *,
    resamples: int = 500,
    seed: int = 0,
) -> list[str]:
    """Warns where a weaker attack significantly beats a stronger one.

    Within a ball: PGD against FGSM, and against PGD with fewer steps; PGD against inputs that were
    found on other networks; and PGD against points that are known to have another label and to lie
    within the radius (in L2 or L∞, since no entry of a change is longer than all of it). Any of
    them means that a network is less robust than white-box attacks make it look. Where none does,
    nothing is proved. The last one alone may also come from the loss that PGD follows: where all
    classes are about as likely it raises all others, not the nearest.

    Args:
        right: for each trial how often each label is right.
        chosen: the pairs that were looked at.
        distances: by the name of the search, the Euclidean distance of each example to a point with
            another label within the range of the data, 0 where the label is wrong; infinite where
            none was found.
        resamples: the number of bootstrap resamples.
        seed: what the bootstrap depends on.

    Returns:
        A sentence for each pair of attacks.

    References:
        Athalye, Carlini and Wagner, "Obfuscated Gradients Give a False Sense of Security", ICML
        2018, https://arxiv.org/abs/1802.00420 (the criteria); Boenisch et al., "Gradient Masking
        and the Underestimated Robustness Threats of Differential Privacy in Deep Learning", 2021,
        https://arxiv.org/abs/2105.07985

    Examples:
        >>> pgd = Trial(kind="pgd", norm="l2", size=0.5, steps=40)
        >>> pairs = np.ones((2, 20))
        >>> found = masking_warnings({pgd: pairs}, pairs > 0, {"a search": 0.1 * pairs})
        >>> print(found[0][:72])
        PGD with 40 steps at 0.5 in l2 leaves 100.0 % of all labels right within
    """
    found = []
    for words, more, least in _signs(right, distances or {}):
        mean = masked_mean(more, chosen, resamples=resamples, seed=seed)
        if mean.value is not None and mean.low is not None and mean.low > least:
            found.append(words.format(share=100 * mean.value))
    return found


def _signs(
    right: Mapping[Trial, Pairs], distances: Mapping[str, Pairs]
) -> Iterator[tuple[str, Pairs, float]]:
    """Each comparison: a text, the share that the stronger attack misses, and its usual share."""
    for norm, size in dict.fromkeys((trial.norm, trial.size) for trial in right if trial.norm):
        ball = [trial for trial in right if (trial.norm, trial.size) == (norm, size)]
        own = sorted(
            (trial for trial in ball if trial.kind in ("fgsm", "pgd")), key=lambda t: t.steps or 0
        )
        for weak, strong in pairwise(own):
            words = f"{_words(strong)} leaves {{share:.1f}} % of all labels more right than "
            yield words + _words(weak) + MISLED, right[strong] - right[weak], 0.0
        if not own or own[-1].kind != "pgd":
            continue
        strongest = own[-1]
        begin = f"{_words(strongest)} leaves {{share:.1f}} % of all labels "
        for trial in (trial for trial in ball if trial.kind == "transfer"):
            words = "more right than inputs that were found on other networks"
            yield begin + words + MISLED, right[strongest] - right[trial], 0.0
        for name, distance in distances.items():
            near = (distance > 0) & (distance <= size)
            words = f"right within {size:.3g} of points where {name} found another label"
            yield begin + words + MISSED, np.where(near, right[strongest], 0.0), NEAR


def _words(trial: Trial) -> str:
    if trial.kind == "fgsm":
        return "FGSM"
    return f"PGD with {trial.steps} steps at {trial.size:.3g} in {trial.norm}"
