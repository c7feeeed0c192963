"""The region `auto`: the cut with the largest AUC drop per accuracy lost."""

import math
from typing import NamedTuple

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.risk import ATTACK, DECISIVE, Modification
from pptp_jax.locate.result import RegionRisk, RiskMap
from pptp_jax.validation import Refused, not_negative, one_of


class _Offer(NamedTuple):
    """The gains and costs of a cut, in order of preference."""

    worth: float
    drop: float
    fewer: int
    risk: RegionRisk
    lost: float


def choose(
    risk_map: RiskMap,
    budget: float = 0.05,
    *,
    by: Modification = DECISIVE,
    attack: str = ATTACK,
) -> tuple[str, ...]:
    """The blocks to protect: the cut with the most AUC drop per accuracy lost, within the budget.

    Only prefixes and suffixes stand for election, and of them those whose AUC drop is above zero by
    its entire interval. Where less accuracy is lost than half the width of its interval, that half
    width is what counts as lost: otherwise a cut that does next to nothing would win for losing
    even less, by chance. At equal worth the larger drop wins, then the fewer parameters, then the
    cut that comes first in `RiskMap.of_cuts`.

    Args:
        risk_map: the map.
        budget: the most test accuracy that may be lost, as a share of all examples.
        by: the modification that decides: `rewind_early` is the nearest to the recipe `freeze`,
            `retrain` to `rewind`.
        attack: the attack whose AUC counts.

    Returns:
        The blocks' names, in forward order.

    Raises:
        ValueError: if no cut lowers the AUC within the budget; the message names the nearest.

    Examples:
        >>> from pptp_jax.locate.measures import UNKNOWN
        >>> from pptp_jax.metrics import Estimate
        >>> def risk(region, accuracy, auc):
        ...     change = UNKNOWN._replace(
        ...         accuracy=Estimate(accuracy, accuracy - 0.01, accuracy + 0.01),
        ...         auc={"lira_online": Estimate(auc, auc - 0.01, auc + 0.01)},
        ...     )
        ...     return RegionRisk(region=(region,), parameters=9, changes={"rewind_early": change})
        >>> risks = RiskMap(
        ...     blocks=("stem", "head"),
        ...     regions=(risk("stem", -0.02, -0.2), risk("head", -0.04, -0.1)),
        ...     undefended=UNKNOWN,
        ...     defended=UNKNOWN,
        ...     gradient_norm_auc={},
        ...     setting={},
        ... )
        >>> choose(risks, budget=0.05)
        ('stem',)
        >>> print(explain(risks, budget=0.05))
        stem: AUC of LiRA -0.200 for accuracy -0.020 (rewind_early), the best of 2 cuts ...
    """
    return _offers(risk_map, budget, by, attack)[0].risk.region


def explain(
    risk_map: RiskMap,
    budget: float = 0.05,
    *,
    by: Modification = DECISIVE,
    attack: str = ATTACK,
) -> str:
    """Why `choose` takes the cut that it takes, in a sentence.

    Args:
        risk_map: as in `choose`.
        budget: as in `choose`.
        by: as in `choose`.
        attack: as in `choose`.

    Raises:
        ValueError: as in `choose`.

    Examples:
        The example of `choose` ends with one.

        >>> explain.__name__
        'explain'
    """
    offers = _offers(risk_map, budget, by, attack)
    best = offers[0]
    return (
        f"{best.risk.name}: AUC of {attack_name(attack)} {-best.drop:+.3f} for accuracy "
        f"{-best.lost:+.3f} ({by}), the best of {len(offers)} cuts within "
        f"{budget:g}"
    )


def _offers(risk_map: RiskMap, budget: float, by: Modification, attack: str) -> list[_Offer]:
    """The cuts that may be chosen, the best first."""
    not_negative(budget=budget)
    one_of(risk_map.undefended.auc, attack=attack)
    one_of(risk_map.modifications, modification=by)
    helpful = [
        _offer(risk, by, attack)
        for risk in risk_map.of_cuts
        if (risk.privacy_score(by, attack).low or 0) > 0
    ]
    offers = [offer for offer in helpful if offer.lost <= budget]
    if not offers:
        if not helpful:
            raise Refused(f"by {by} no cut lowers the AUC of {attack} beyond its interval")
        nearest = min(helpful, key=lambda offer: offer.lost)
        raise Refused(
            f"no cut lowers the AUC of {attack} for at most {budget:g} of accuracy; the nearest "
            f"is {nearest.risk.name}, which by {by} costs {nearest.lost:.3f}"
        )
    # A sort keeps the order of what is equal.
    return sorted(offers, key=lambda offer: offer[:3], reverse=True)


def _offer(risk: RegionRisk, by: Modification, attack: str) -> _Offer:
    drop, lost = risk.privacy_score(by, attack).value, risk.generalisation_score(by)
    assert drop is not None and lost.value is not None  # its interval lies above zero
    assert lost.low is not None and lost.high is not None
    counted = max(lost.value, (lost.high - lost.low) / 2)
    worth = drop / counted if counted > 0 else math.inf
    return _Offer(worth, drop, -risk.parameters, risk, lost.value)
