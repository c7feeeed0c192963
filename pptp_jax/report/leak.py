"""The sentence on what an attack finds."""

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.results import RecipeResult
from pptp_jax.metrics import Estimate


def leak(row: RecipeResult, attack: str) -> str:
    """What an attack finds of a recipe's members, as the rest of a sentence.

    Args:
        row: the recipe; the AUC of the attack is known.
        attack: its name.

    Examples:
        >>> from pptp_jax.evaluation import AttackResult
        >>> found = {"loss": AttackResult({"auc": Estimate(0.72, 0.69, 0.75)})}
        >>> leak(RecipeResult(slug="plain", attacks=found), "loss")
        'LOSS gives a member the higher score in 72 % [69, 75] of pairs'
    """
    auc, found = row.attack(attack).auc, row.attack(attack)["tpr@0.01"]
    said = f"{attack_name(attack)} gives a member the higher score in {share(auc)} of pairs"
    if found.value is None:
        return said
    return f"{said}, and finds {share(found)} of the members at 1 % false positives"


def share(estimate: Estimate) -> str:
    """A share in per cent with its interval.

    Examples:
        >>> share(Estimate(0.721, 0.69, 0.75))
        '72 % [69, 75]'
    """
    value, low, high = (100 * (x or 0.0) for x in estimate)
    return f"{value:.0f} % [{low:.0f}, {high:.0f}]"
