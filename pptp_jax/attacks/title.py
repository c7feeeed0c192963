"""What readers call an attack."""

from pptp_jax.attacks.attack import Attack
from pptp_jax.attacks.registry import ATTACKS


def known_attack(attack: str) -> Attack | None:
    """The attack of `ATTACKS` behind a name in results, perhaps with options or over a range.

    Examples:
        >>> known_attack("rmia online range(lowest=0.1)").name, known_attack("my_own")
        ('rmia_online', None)
    """
    name = attack.partition("(")[0].replace(" ", "_")
    return ATTACKS.get(name) or ATTACKS.get(name.removesuffix("_range"))


def attack_name(attack: str) -> str:
    """An attack's title, also where blanks stand for the underscores of its name.

    Examples:
        >>> attack_name("lira_online"), attack_name("lira online"), attack_name("my_own")
        ('LiRA', 'LiRA', 'my own')
        >>> attack_name("rmia_offline(a=0.6)")
        'RMIA offline (a=0.6)'
        >>> attack_name("loss_range(lowest=0.25)")
        'LOSS over a range (lowest=0.25)'
    """
    name, options, values = attack.partition("(")
    known = known_attack(attack)
    if known is None:
        return attack.replace("_", " ")
    title = known.title + " over a range" * (name.replace(" ", "_") != known.name)
    return f"{title} {options}{values}" if options else title
