"""A weight for each block, by its share of the risk."""

from pptp_jax.evaluation.risk import ATTACK, DECISIVE, Modification
from pptp_jax.locate.result import RiskMap
from pptp_jax.validation import Refused, fraction, one_of, positive


def risk_weights(
    risk_map: RiskMap,
    floor: float = 0.1,
    *,
    by: Modification = DECISIVE,
    attack: str = ATTACK,
    sparing: bool = False,
) -> dict[str, float]:
    """Weights of the blocks in proportion to the fall in AUC when the block is taken back.

    With d_b the fall, and D the largest of all blocks, the risk of block b is

        r_b = max(floor, d_b / D),

    so the riskiest block has 1, and one without any fall the floor: for `weighted_decay`. What is
    to *spare* risky blocks is in inverse proportion: with r the least of all risks,

        w_b = r / r_b,

    so the least risky block has 1, and the riskiest r: for `weighted_rates` and
    `Private(weights=...)`. Falls below zero count as zero. Only values count, not their intervals:
    few models give noisy weights.

    Args:
        risk_map: the map. For DP-SGD it must come from other examples than the members, such as
            those that a study sets aside for tuning: no ε covers how weights were chosen.
        floor: the least risk that a block counts with, above 0 and at most 1; 1 makes all equal.
        by: the modification whose fall counts.
        attack: the attack whose AUC counts.
        sparing: whether risky blocks get the small weights.

    Returns:
        The weight of every block, in forward order.

    Raises:
        ValueError: if the floor is out of range, the attack or modification is unknown, the fall of
            a block is not known, or no block lowers the AUC beyond its interval, so that there is
            nothing to be in proportion to.

    References:
        Meng et al., "Mitigating Membership Inference in Intermediate Representations via Layer-wise
        MIA-risk-aware DP-SGD", 2026, https://arxiv.org/abs/2602.22611, weights layers by risk, from
        the errors of attacks on their representations. Both formulas here are ours.

    Examples:
        >>> from pptp_jax.locate import RegionRisk
        >>> from pptp_jax.locate.measures import UNKNOWN
        >>> from pptp_jax.metrics import Estimate
        >>> def risk(block, auc):
        ...     fall = {"lira_online": Estimate(auc, auc - 0.01, auc + 0.01)}
        ...     changes = {"rewind_early": UNKNOWN._replace(auc=fall)}
        ...     return RegionRisk(region=(block,), parameters=9, changes=changes)
        >>> risks = RiskMap(
        ...     blocks=("stem", "stage1", "head"),
        ...     regions=(risk("stem", -0.002), risk("stage1", -0.2), risk("head", -0.05)),
        ...     undefended=UNKNOWN._replace(auc={"lira_online": Estimate(0.9, 0.8, 1.0)}),
        ...     defended=UNKNOWN,
        ...     gradient_norm_auc={},
        ...     setting={},
        ... )
        >>> risk_weights(risks)
        {'stem': 0.1, 'stage1': 1.0, 'head': 0.25}
        >>> risk_weights(risks, sparing=True)
        {'stem': 1.0, 'stage1': 0.1, 'head': 0.4}
    """
    positive(floor=floor)
    fraction(floor=floor)
    one_of(risk_map.undefended.auc, attack=attack)
    one_of(risk_map.modifications, modification=by)
    scores = {risk.name: risk.privacy_score(by, attack) for risk in risk_map.of_blocks}
    falls = {name: score.value for name, score in scores.items() if score.value is not None}
    if unknown := [name for name in scores if name not in falls]:
        raise Refused(
            f"the fall in the AUC of {attack} by {by} is not known for {', '.join(unknown)}: a "
            "model of that fleet has diverged"
        )
    if not any((score.low or 0) > 0 for score in scores.values()):
        raise Refused(f"by {by} no block lowers the AUC of {attack} beyond its interval")
    most = max(falls.values())
    risks = {name: max(float(floor), fall / most) for name, fall in falls.items()}
    least = min(risks.values())
    return {name: least / risk for name, risk in risks.items()} if sparing else risks
