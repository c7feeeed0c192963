"""Attacks: pure functions from signals and membership to scores; none of them sees a model.

Everywhere: `signals` (models, queries, examples) holds φ, the logit-scaled confidence;
`membership` (models, examples) says who trained on what; `target` is the model under attack, all
the others are its shadows; a larger score means "more likely a member".
"""

from pptp_jax.attacks.attack import Attack, attack_targets
from pptp_jax.attacks.lira import lira_offline, lira_online
from pptp_jax.attacks.loss import loss
from pptp_jax.attacks.rmia import rmia_offline, rmia_online

ATTACKS: dict[str, Attack] = {
    "loss": loss,
    "lira_online": lira_online,
    "lira_offline": lira_offline,
    "rmia_online": rmia_online,
    "rmia_offline": rmia_offline,
}

__all__ = [
    "ATTACKS",
    "Attack",
    "attack_targets",
    "lira_offline",
    "lira_online",
    "loss",
    "rmia_offline",
    "rmia_online",
]
