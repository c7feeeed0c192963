"""An attack by its name."""

from collections.abc import Sequence

from pptp_jax.attacks.attack import Attack
from pptp_jax.attacks.registry import ATTACKS
from pptp_jax.validation import one_of


def attack_of(attack: str | Attack, others: Sequence[str | Attack] = ()) -> Attack:
    """An attack by its name; an attack as it is.

    Args:
        attack: the attack, or the name of one of `ATTACKS` or of `others`.
        others: attacks with names of their own.

    Raises:
        Refused: if there is no attack of this name.

    Examples:
        >>> attack_of("loss").title, attack_of(ATTACKS["rmia_online"].using(gamma=1)).name
        ('LOSS', 'rmia_online(gamma=1)')
    """
    if isinstance(attack, Attack):
        return attack
    known = {**ATTACKS, **{one.name: one for one in others if isinstance(one, Attack)}}
    one_of(known, attack=attack)
    return known[attack]
