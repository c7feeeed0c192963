"""Attack strength over the number of shadows: the same targets, the first k shadows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from pptp_jax.attacks import Attack
from pptp_jax.data import Membership
from pptp_jax.evaluation.attack import AttackResults, attack
from pptp_jax.validation import Refused, at_least


def shadow_curve(
    signals: Mapping[str, Shaped[np.ndarray, "models ..."]],
    membership: Membership,
    shadows: Sequence[int],
    attacks: Sequence[str | Attack] = ("lira_online", "rmia_online"),
    *,
    labels: Int[np.ndarray, " examples"] | None = None,
    resamples: int = 500,
    seed: int = 0,
    **evidence: Any,
) -> dict[int, AttackResults]:
    """Attacks the same targets with more and more shadows.

    The shadows are the first of `membership.shadows` that are no targets, so that each target is
    attacked with the same ones and larger sets contain smaller ones. All intervals stand on the
    same resamples of targets and examples; they do not cover which shadows were drawn. A fleet
    drawn by `Pairs` is balanced at every even number; in any other one LiRA leaves out the surplus
    of IN or OUT shadows of each example, and an attack that lacks some is named in `notes`.

    Args:
        signals: arrays by name, models first, as `attack` takes them.
        membership: who trained on what, the targets, and the shadows in the order in which they
            are used.
        shadows: the numbers of shadows.
        attacks: the attacks, or their names.
        labels: the examples' classes; `logits` need them.
        resamples: the number of bootstrap resamples behind each interval.
        seed: what the bootstrap depends on.
        **evidence: what else the attacker holds, as `attack` takes it.

    Returns:
        What the attacks achieve, by the number of shadows, in ascending order.

    Raises:
        Refused: if there are not as many shadows, if a number is given twice, or if no attack is
            possible with so few.

    Examples:
        >>> from pptp_jax.data import Pairs
        >>> rng = np.random.default_rng(0)
        >>> drawn = Pairs(targets=2, shadows=32).draw(400, seed=0)
        >>> habit = rng.normal(size=400)  # how hard each example is
        >>> phi = np.float32(drawn.matrix + 3 * habit + rng.normal(size=drawn.matrix.shape))
        >>> found = shadow_curve({"confidence": phi}, drawn, [4, 32], resamples=50)
        >>> [(k, one["lira_online"].auc.value > 0.7) for k, one in found.items()]
        [(4, False), (32, True)]
    """
    at_least(1, shadows=len(shadows))
    targets = set(membership.targets)
    others = tuple(model for model in membership.shadows if model not in targets)
    if not others:
        raise Refused(
            "every shadow is a target as well: name fewer targets, by "
            "membership._replace(targets=(0, 1, ...)), so that the others are shadows of them all"
        )
    for number in shadows:
        at_least(1, number_of_shadows=number)
        if number > len(others):
            raise Refused(
                f"there are {len(others)} shadows that are no targets, and {number} are wanted"
            )
        if list(shadows).count(number) > 1:
            raise Refused(f"the number {number} of shadows is given several times: give it once")
    return {
        number: attack(
            signals,
            membership._replace(shadows=others[:number]),
            labels,
            attacks,
            resamples=resamples,
            seed=seed,
            **evidence,
        )
        for number in sorted(shadows)
    }
