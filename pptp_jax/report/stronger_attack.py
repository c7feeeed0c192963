"""The strongest attack, and a sentence where it finds more than the compared one."""

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.results import RecipeResult, RunResults

# How many recipes the sentence names.
_NAMED = 3


def stronger_attack(results: RunResults) -> str | None:
    """Says where the AUC of another attack lies above the interval of the compared attack.

    Recipes are compared by one attack, chosen before. Where another finds more, the compared attack
    may understate the leak. By how much is not known: the highest of many AUCs on the same data is
    the highest in part by luck.

    Args:
        results: of a run.

    Returns:
        The sentence; None where there is no such recipe.

    Examples:
        >>> from pptp_jax.evaluation.results import AttackResult
        >>> from pptp_jax.metrics import Estimate
        >>> auc = {"lira_online": 0.6, "rmia_offline": 0.7}
        >>> found = {
        ...     name: AttackResult({"auc": Estimate(value, value - 0.02, value + 0.02)})
        ...     for name, value in auc.items()
        ... }
        >>> rows = (RecipeResult(slug="plain", attacks=found),)
        >>> stronger_attack(RunResults(rows=rows, compared="lira_online")).partition(". ")[0]
        'other attacks are stronger than LiRA on plain (RMIA offline, AUC 0.700)'
    """
    found = [
        f"{row.slug} ({attack_name(name)}, AUC {row.attack(name).auc.value:.3f})"
        for row in results.rows
        if (name := _stronger(row, results.compared)) is not None
    ]
    if not found:
        return None
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    compared = attack_name(results.compared)
    known = {
        name
        for row in results.rows
        for name, own in row.attacks.items()
        if own.auc.value is not None
    }
    return (
        f"other attacks are stronger than {compared} on {', '.join(found[:_NAMED])}{more}. "
        f"{compared} may understate the leak there. The highest of {len(known)} AUCs on "
        "the same data overstates it, because it is chosen by its result"
    )


def strongest(row: RecipeResult) -> str | None:
    """The attack with the largest AUC on a recipe; None if none is known.

    Examples:
        >>> from pptp_jax.evaluation.results import AttackResult
        >>> from pptp_jax.metrics import Estimate
        >>> known = AttackResult({"auc": Estimate(0.6, 0.5, 0.7)})
        >>> found = {"loss": known, "rmia": AttackResult()}
        >>> strongest(RecipeResult(slug="x", attacks=found))
        'loss'
    """
    known = {
        attack: found.auc.value
        for attack, found in row.attacks.items()
        if found.auc.value is not None
    }
    return max(known, key=lambda attack: known[attack], default=None)


def _stronger(row: RecipeResult, compared: str) -> str | None:
    """The strongest attack, if its AUC lies above the interval of the compared one."""
    name, upper = strongest(row), row.attack(compared).auc.high
    if name is None or upper is None:
        return None
    highest, low, _ = row.attack(name).auc
    sure = low is not None and low > 0.5  # else it guesses as well
    return name if sure and highest is not None and highest > upper else None
