"""What a person should know of a study before it is trained: what it asks for in vain."""

from pptp_jax.attacks import Evidence
from pptp_jax.data import Membership
from pptp_jax.evaluation.impossible import by_reason
from pptp_jax.study.config import Study
from pptp_jax.validation import AttackUnavailable


def notices(study: Study, membership: Membership) -> list[str]:
    """Names attacks for which the split has too few shadows, and stops that no recipe reaches.

    Args:
        study: the study.
        membership: who will train on what.

    Returns:
        A sentence each.
    """
    held = Evidence.split(
        {},
        membership.matrix,
        list(membership.targets),
        list(membership.shadows),
        examples=membership.evaluated,
    )
    reasons = []
    for attack in study.chosen_attacks:
        try:
            held.shadows_of("IN", at_least=attack.min_in_shadows)
            held.shadows_of("OUT", at_least=attack.min_out_shadows)
        except AttackUnavailable as error:
            reasons.append(f"{attack.name}: {error}")
    longest = max(sum(int(one.epochs) for one in recipe.phases) for recipe in study.recipes)
    late = [str(stop) for stop in study.trajectory if stop > longest]
    return [
        *(f"not possible: {reason}" for reason in by_reason(reasons)),
        *(f"no recipe trains {stop} epochs, a stop of the trajectory" for stop in late),
    ]
